"""The file of the study: read back, refused when changed; the command and its table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.findings.finding import find
from core.metrics.seeds import share_over_seeds
from core.runs.folders import ROOT
from core.runs.metrics import wilson_interval
from core.storage import ContractError
from core.studies.cues.__main__ import main
from core.studies.cues.results import Results, find_results, read_results, write_results
from core.studies.cues.summary import conclude
from core.studies.cues.table import markdown_table
from core.studies.cues.versions import VERSIONS

# version -> right answers of 1,000 FAKE and 1,000 REAL images by three networks
RIGHT = {"everything": (950, 952, 954), "labels": (500, 490, 510), "high-4": (940, 941, 930), "grey": (700, 720, 690)}


def made(path: Path, of_fingerprint: str = "1") -> Results:
    """A file with some numbers, about a test set with this fingerprint."""
    rows = [
        [trained, tested, seed, 1000, 1000, right if trained == tested else 500, right, 1.0]
        for trained, rights in RIGHT.items()
        for seed, right in enumerate(rights)
        for tested in RIGHT
        if trained != "labels" or tested == "labels"
    ]
    names = ["trained", "tested", "seed", "images_fake", "images_real", "right_fake", "right_real", "seconds"]
    told = {
        key: {"title": one.title, "family": one.family, "keeps": one.keeps, "control": one.control}
        for key, one in VERSIONS.items()
    }
    about = {
        "set": "made-test", "set_fingerprint": "1", "of_fingerprint": of_fingerprint, "training_set": "made-train",
        "training_images": 9, "limit": None, "versions": told,
    }  # fmt: skip
    write_results(path, pd.DataFrame(rows, columns=names), about)
    return read_results(path)


def test_intervals_hold_over_seeds_and_images(tmp_path: Path) -> None:
    found = {one.details["version"]: one for one in conclude(made(tmp_path / "made-test.parquet"))}
    own = share_over_seeds(pd.Series([1400, 1440, 1380]).to_numpy(), 2000)
    grey = found["grey"].measure
    assert (grey.value, grey.low, grey.high) == pytest.approx(own[:3])
    assert found["grey"].details["seeds"] == 3
    assert found["grey"].beside["reads_everything"].value == pytest.approx((500 + 703.33) / 2000, abs=1e-4)
    low, high = wilson_interval(1407, 2000)
    assert own.low < low < high < own.high


def test_guessing_is_that_of_the_whole_test_set(tmp_path: Path) -> None:
    results = made(tmp_path / "made-test.parquet")
    own = results.table["trained"] == results.table["tested"]
    # four of five are FAKE where a network is tested on its own version, and as many of each on others
    table = results.table.assign(images_fake=np.where(own, 1600, 1000), images_real=np.where(own, 400, 1000))
    found = find(conclude(replace(results, table=table)), "cue-grey")
    assert found is not None
    (guessing,) = (one for one in found.choices if one.value == "guessing")
    assert guessing.control is not None
    assert guessing.control.measure.value == pytest.approx(0.8)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made-test.parquet"
    made(path)
    table = pq.read_table(path)
    changed = table.to_pandas().assign(right_real=1000)
    pq.write_table(
        type(table).from_pandas(changed, preserve_index=False).replace_schema_metadata(table.schema.metadata), path
    )
    with pytest.raises(ContractError, match="sha256 differs"):
        read_results(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ContractError, match="no readable study of cues"):
        read_results(path)
    with pytest.raises(ContractError, match="is missing"):
        read_results(tmp_path / "nobody.parquet")


def test_the_table_goes_into_a_file_between_its_markers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cues" / "made-test.parquet"
    results = made(path)
    assert find_results((tmp_path,)) == {"made-test": path}
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n<!-- python -m core.studies.cues --table {path} -->\nold\n<!-- end -->\nafter\n")
    assert main(["--update", str(readme)]) == 0
    text = readme.read_text()
    assert markdown_table(results) in text
    assert "| high-pass 4: wavelengths under 8 pixels | 93.7%" in text
    assert "old" not in text
    assert text.endswith("after\n")
    assert main(["--table", "nobody"]) == 2
    assert "there is no study of the cues of 'nobody'" in capsys.readouterr().err
    assert main(["--list"]) == 0
    assert "patch-17" in capsys.readouterr().out


def test_readme_is_what_the_command_writes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_bytes((ROOT / "README.md").read_bytes())
    assert main(["--update", str(readme)]) == 0
    assert readme.read_text(encoding="utf-8") == (ROOT / "README.md").read_text(encoding="utf-8"), (
        "run `python -m core.studies.cues --update README.md`"
    )
