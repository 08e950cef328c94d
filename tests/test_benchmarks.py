"""The command that writes BENCHMARKS.md, on few images of the sample: does it measure, keep and write what it says?"""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from core.findings.__main__ import gather
from core.perturbations.table import probe_columns
from core.storage import cache_dir
from tests.benchmarks.__main__ import PARTS, main
from tests.benchmarks.explain import Timed
from tests.benchmarks.independent import main as independent
from tests.benchmarks.parts import Bench, growth, probes
from tests.benchmarks.parts.trust import watched_forwards
from tests.benchmarks.table import HEADINGS, Row
from tests.conftest import make_detector

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


def test_the_page_holds_what_was_measured_and_what_was_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # everything is run, and the clock is ours: torchcam, ours and bare in two turns; then of each of two images the
    # bare passes before, LIME, and the bare passes after, for both ways of sampling
    clock = iter([6.0, 2.0, 1.0, 8.0, 3.0, 2.0] + 2 * [2.0, 3.0, 4.0, 4.0, 12.0, 4.0])

    def timed(action: Callable[[], object]) -> Timed:
        return Timed(action(), next(clock))

    monkeypatch.setattr("tests.benchmarks.explain.timed", timed)
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
    shown = [(row["Ours"], row["Peer"].split(": ")[-1], row["Ratio"].split(" ")[0], row[HEADINGS[-1]]) for row in rows]
    # medians, and of SLIC the median of 3 / 3 and 12 / 4
    assert shown == 2 * [("7.5 s", "-", "2.000", "3.5 s")] + [("2.5 s", "7 s", "2.8", "1.5 s")]
    assert not list(clock)
    assert "torchcam" in rows[-1]["Peer"]
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


def test_an_independent_table_is_held_against_the_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = "sample@sample-test"
    greyness = next(one for one in gather(run, ["audit.fact.greyness"]))
    rank = greyness.choice("rule", "rank")
    assert rank is not None
    entry = {"finding": "audit.fact.greyness", "choice": "rule=rank", "value": round(rank.measure.value, 2)}

    def held(*entries: dict[str, object]) -> int:
        (tmp_path / "table.json").write_text(json.dumps(entries), encoding="utf-8")
        return independent([str(tmp_path / "table.json"), "--run", run])

    assert held(entry) == 0
    assert "| agrees |" in capsys.readouterr().out
    # another part of the same finding, a number far off, and what is not there
    assert held({**entry, "part": "control", "value": 0.5}) == 0
    assert held({**entry, "value": 0.9}) == held({**entry, "finding": "audit.luck"}) == 1
    printed = capsys.readouterr().out
    assert "| DISAGREES |" in printed
    assert "| is not there |" in printed
    # few images say little, many say much
    assert held({**entry, "value": 0.9, "images": 3}) == 0
    assert held({**entry, "value": 0.9, "images": 3000}) == 1


def test_parts_about_studies_measure_on_few_images_of_a_tiny_network() -> None:
    bench = Bench(make_detector(1), 8, 1, quick=True)
    rows = [*probes.measure(bench), *growth.measure(bench)]
    assert rows[0].what.startswith(f"Probes: {len(probe_columns())} changes of each of 8 images")
    grown = ["Growth of probes", "Growth of sentences of probes", "Growth of neighbours"]
    assert [row.what.partition(",")[0] for row in rows[1:]] == grown


def test_passes_of_every_network_are_counted_while_they_are_watched() -> None:
    context = Bench(make_detector(1), 4).pictured(4)
    with watched_forwards() as forwards:
        context.detector.margins(context.pixels)
        context.detector.full_pass(context.pixels[:3])
    context.detector.margins(context.pixels)
    assert forwards.images == 7
