"""The command that writes BENCHMARKS.md, on few images of the sample: does it measure, keep and write what it says?"""

import json
from importlib import import_module
from pathlib import Path

import pytest

from core.storage import cache_dir
from tests.benchmarks.__main__ import PARTS, main
from tests.benchmarks.table import HEADINGS, Row

SAMPLE = ["--quick", "--detector", "sample", "--data", "sample", "--run", "sample@sample-test"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(page: str, heading: str) -> list[dict[str, str]]:
    """The rows under the first line that begins with this heading."""
    lines = page.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    names, found = cells(lines[at]), []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        found.append(dict(zip(names, cells(line), strict=True)))
    return found


def test_the_page_holds_what_was_measured_and_what_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "BENCHMARKS.md"
    main([*SAMPLE, "--parts", "map", "--out", str(out)])
    first = out.read_text(encoding="utf-8")
    assert [row["Part"] for row in table(first, "Part | What")] == ["map"]
    main([*SAMPLE, "--parts", "slic", "--out", str(out)])
    page = out.read_text(encoding="utf-8")
    rows = table(page, "Part | What")
    assert list(rows[0]) == ["Part", *HEADINGS]
    # the order of the parts, whichever was measured first; what was not measured again is kept as it was
    assert [row["Part"] for row in rows] == ["slic", "slic", "map"]
    assert rows[-1:] == table(first, "Part | What")
    assert "torchcam" in rows[-1]["Peer"]
    for row in rows:
        # every ratio is that of the two numbers beside it
        ours, limit = (float(row[name].split(" s")[0]) for name in ("Ours", HEADINGS[-1]))
        other = limit if row["Part"] == "slic" else float(row["Peer"].split(": ")[1].split(" s")[0])
        ratio = float(row["Ratio"].split(" ")[0])
        assert ratio == pytest.approx(ours / other if row["Part"] == "slic" else other / ours, rel=0.05)
    printed = capsys.readouterr().out
    assert all(row["What"] in printed for row in rows)
    told = table(page, "Part | Measured")
    assert [row["Part"] for row in told] == ["slic", "map"]
    assert all(row["Measured"].startswith("20") for row in told)
    assert "Quick counts" in page
    assert "torch " in page
    assert "sha256" in page


def test_numbers_of_another_machine_and_damaged_ones_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.explain.margin_map", lambda _settings: [Row("a map", "1 s", ratio="a|b")])
    monkeypatch.setattr("tests.benchmarks.explain.slic", lambda _settings: [Row("segments", "2 s")])
    out = tmp_path / "BENCHMARKS.md"

    def parts() -> set[str]:
        return {row["Part"] for row in table(out.read_text(encoding="utf-8").replace("\\|", "/"), "Part | What")}

    main([*SAMPLE, "--parts", "map", "--out", str(out)])
    assert parts() == {"map"}
    main([*SAMPLE, "--parts", "slic", "--out", str(out)])
    assert parts() == {"map", "slic"}
    monkeypatch.setattr("tests.benchmarks.__main__.machine", lambda: "another machine")
    main([*SAMPLE, "--parts", "slic", "--out", str(out)])
    assert parts() == {"slic"}
    assert "another machine" in out.read_text(encoding="utf-8")
    for file in (cache_dir() / "benchmarks").rglob("*.json"):
        file.write_text(json.dumps({"rows": [{"odd": 1}]}), encoding="utf-8")
    main([*SAMPLE, "--parts", "map", "--out", str(out)])
    assert parts() == {"map"}


def test_an_unknown_part_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*SAMPLE, "--parts", "map,speed"])
    assert "there is no part speed; there are paper, " in capsys.readouterr().err


def test_every_part_names_something_that_measures() -> None:
    for name, place in PARTS.items():
        module, function = place.split(":")
        if name != "dashboard":
            assert getattr(import_module(f"tests.benchmarks.{module}"), function).__doc__
