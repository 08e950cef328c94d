"""The study of cues on sets whose only cue is known, its cells by a second implementation, and its file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from core.cues import cues
from core.cues.cues import (
    COLUMNS,
    FOLDER,
    SCHEMA,
    accuracies,
    conclude,
    find_results,
    read_results,
    run,
)
from core.cues.versions import VERSIONS
from core.findings.contrast import find
from core.storage.limits import ContractError
from core.storage.shards import silent
from core.studies.store import write_sealed
from tests.core.studies.planted import by_colour, by_detail

RECIPE = {"width": 4, "epochs": 4, "batch_size": 32, "learning_rate": 0.1, "average": 0.9, "validation": 0.0}
# version -> right answers of 1,000 FAKE and 1,000 REAL images by three networks
RIGHT = {"everything": (950, 952, 954), "labels": (500, 490, 510), "high-4": (940, 941, 930), "grey": (700, 720, 690)}


def made(path):
    """A file with some numbers; in those of before networks were tested on other versions, too."""
    rows = [
        [trained, tested, seed, 1000, 1000, right if trained == tested else 500, right, 1.0]
        for trained, rights in RIGHT.items()
        for seed, right in enumerate(rights)
        for tested in RIGHT
    ]
    write_sealed(path, pd.DataFrame(rows, columns=COLUMNS), {"study": FOLDER, "schema": SCHEMA})
    return read_results(path)


def study(folder, train, test, *names, seeds=1, **options):
    """Run the study on some versions."""
    options = {"seeds": seeds, "report": silent, **options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cues, "RECIPE", RECIPE)
        patch.setattr(cues, "VERSIONS", names)
        return read_results(run(train, test, folder=folder, **options))


def test_the_planted_cue_gets_all_and_the_others_are_at_chance(tmp_path):
    sets = by_detail(240, "train", seed=1), by_detail(200, "test", seed=2)
    results = study(tmp_path, *sets, "everything", "labels", "low-8", "high-8", "colour")
    value = accuracies(results.table)["value"]
    assert min(value[["high-8", "everything"]]) > 0.97
    # five standard errors
    assert value[["labels", "low-8", "colour"]].to_numpy() == pytest.approx(0.5, abs=0.18)


def test_numbers_of_findings_and_table(tmp_path):
    results = made(tmp_path / "made-test.parquet")
    grey = find(conclude(results), "cue-grey")
    # over images Wilson's interval, over seeds Student's with the variance of three versions pooled; not of the labels'
    shares = np.array([[(950 + k) / 1000 for k in (0, 2, 4)], [0.94, 0.941, 0.93], [0.70, 0.72, 0.69]])
    seeds = student.ppf(0.975, 6) * np.sqrt(shares.var(axis=1, ddof=1).mean() / 3)
    low, high = proportion_confint(0.7033333 * 2000, 2000, method="wilson")
    expected = 0.7033333 - np.hypot(0.7033333 - low, seeds), 0.7033333 + np.hypot(high - 0.7033333, seeds)
    assert (grey.measure.low, grey.measure.high) == pytest.approx(expected, abs=1e-6)
    labels = find(conclude(results), "cue-labels")
    assert labels.measure.high - 0.5 == pytest.approx(np.hypot(0.0219, student.ppf(0.975, 2) * 0.01 / 3**0.5), abs=1e-3)
    # four of five are FAKE where a network is tested on its own version, and as many of each on others
    same = results.table["trained"] == results.table["tested"]
    table = results.table.assign(images_fake=np.where(same, 1600, 1000), images_real=np.where(same, 400, 1000))
    grey = find(conclude(replace(results, table=table)), "cue-grey")
    (guessing,) = (contrast for contrast in grey.contrasts if contrast.value == "guessing")
    assert guessing.control.measure.value == pytest.approx(0.8)


def test_finished_networks_are_kept_and_other_settings_refused(tmp_path):
    sets = by_colour(90, "train", seed=1), by_colour(40, "test", seed=2)
    first = study(tmp_path, *sets, "grey")
    seconds = first.table["seconds"].to_list()

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(tmp_path, *sets, "grey", "colour", seeds=2, progress=stop)
    assert read_results(first.path).table["seconds"].to_list() == seconds
    both = study(tmp_path, *sets, "grey", "colour")
    assert set(zip(both.table["trained"], both.table["seed"], strict=True)) == {("grey", 0), ("colour", 0)}
    assert both.table["seconds"].to_list()[: len(seconds)] == seconds
    with pytest.raises(ContractError, match="was made with another"):
        study(tmp_path, by_colour(66, "train", seed=1), sets[1], "grey")


def test_a_changed_file_is_refused(tmp_path):
    path = tmp_path / FOLDER / "made-test.parquet"
    path.parent.mkdir()
    made(path)
    assert find_results((tmp_path,)) == {"made-test": path}
    table = pq.read_table(path)
    changed = type(table).from_pandas(table.to_pandas().assign(right_real=1000), preserve_index=False)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(ContractError, match="sha256 differs"):
        read_results(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ContractError, match="no readable study of cues"):
        read_results(path)


def test_the_shipped_file_has_every_version():
    results = read_results(find_results()["cifake-test"])
    networks = set(zip(results.table["trained"], results.table["seed"], strict=True))
    assert networks == {(version, seed) for version in VERSIONS for seed in range(3)}
    assert len(conclude(results)) == len(VERSIONS)
