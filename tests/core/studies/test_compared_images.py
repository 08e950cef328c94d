"""Two detectors after deliveries and on images of other sources, planted and recomputed."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student
from statsmodels.stats.proportion import confint_proportions_2indep

from core.findings.claims import claim_status
from core.findings.finding import Finding, find
from core.images.preprocessing import Preprocessing
from core.studies.compared_images import after_deliveries, on_other_images
from core.studies.comparison import Comparison, elsewhere
from core.studies.out_of_distribution import AS_CIFAKE, AS_IT_IS, IMITATIONS, PHOTOGRAPHS
from core.studies.pair import Pair, pair_of, share_rows
from core.studies.store import StudyResult
from core.studies.study import WEIGHT, StudyError
from tests.core.studies.pairs import made_run

N = 400
REAL = np.arange(N) % 2 == 0
MARGINS = np.where(REAL, 1.0, -1.0)
CIFAR = ("CIFAR-10", "CIFAR-10")


@pytest.fixture
def pair() -> Pair:
    return pair_of(made_run("a", MARGINS, REAL), made_run("b", MARGINS, REAL))


def delivered(wrong: dict[str, float], *, seed: int, rows: slice = slice(None)) -> pd.DataFrame:
    """A study's table in which a share of the verdicts is wrong after each delivery."""
    generator = np.random.default_rng(seed)
    table = {"id": [f"test-{number}" for number in range(N)], WEIGHT: np.ones(N, np.float32)}
    table |= {name: np.where(generator.random(N) < share, -MARGINS, MARGINS) for name, share in wrong.items()}
    return pd.DataFrame(table).iloc[rows].reset_index(drop=True)


def others(real: dict[str, list[int]], *, photographs: tuple[int, ...] = (80, 90, 70)) -> pd.DataFrame:
    """A table of the study `transfer`: how many of 100 pictures of a source are called REAL.

    Args:
        real: generator -> that in either encoding.
        photographs: that of each photograph; with the filter nearest 30 fewer.
    """
    rows = []
    for number, encoding in enumerate((AS_CIFAKE, AS_IT_IS)):
        groups = {(IMITATIONS, None): {name: counts[number] for name, counts in real.items()}}
        for filter_, shift in (("bicubic", 0), ("nearest", -30)):
            photos = {f"photo {number}": count + shift for number, count in enumerate(photographs)}
            groups[PHOTOGRAPHS, filter_] = photos  # type: ignore[index]
        for (kind, filter_), calls in groups.items():
            rows += [
                (kind, name, encoding, filter_, 100, 100, count, f"{name} {filter_}") for name, count in calls.items()
            ]
            rows.append((kind, "all", encoding, filter_, 100 * len(calls), len(calls), sum(calls.values()), None))
    names = ["kind", "source", "encoding", "filter", "images", "clusters", "called_real", "fingerprint"]
    table = pd.DataFrame(rows, columns=names).assign(depends=np.nan)
    share = table["called_real"] / table["images"]
    called_fake = table["images"] - table["called_real"]
    return table.assign(called_fake=called_fake, share_real=share, low=share - 0.05, high=share + 0.05)


def of(findings: list[Finding], key: str) -> Finding:
    finding = find(findings, key)
    assert finding is not None
    return finding


def ends(finding: Finding) -> tuple[float, float]:
    assert finding.difference is not None
    return finding.difference.low, finding.difference.high


def test_the_detector_that_survives_a_delivery_is_right_more_often_after_it(pair: Pair) -> None:
    first = delivered({"png": 0.02, "jpeg_75": 0.4, "jpeg_95": 0.05}, seed=1)
    second = delivered({"png": 0.02, "jpeg_75": 0.1, "jpeg_95": 0.05}, seed=2)
    findings = after_deliveries(share_rows(pair, first, second.iloc[::-1]))
    assert {finding.subject: (claim_status(finding).kind, claim_status(finding).sign) for finding in findings} == {
        "unchanged (saved as PNG)": ("not shown", 0), "JPEG 95": ("not shown", 0), "JPEG 75": ("holds", -1),
    }  # fmt: skip
    jpeg = findings[2]
    right = [((table["jpeg_75"] > 0) == REAL).to_numpy() for table in (first, second)]
    assert jpeg.control is not None
    assert (jpeg.measure.value, jpeg.control.measure.value) == pytest.approx((right[0].mean(), right[1].mean()))
    # three intervals at once
    leads = right[0].astype(float) - right[1]
    half = student.ppf(1 - 0.05 / 6, N - 1) * leads.std(ddof=1) / np.sqrt(N)
    assert ends(jpeg) == pytest.approx((leads.mean() - half, leads.mean() + half))


def test_deliveries_and_samples_that_cannot_be_compared_are_left_out(pair: Pair) -> None:
    first = delivered({"png": 0.0, "jpeg_75": 0.1, "webp_80": 0.1, "crop_90": 0.1}, seed=1)
    second = delivered({"png": 0.0, "jpeg_75": 0.1, "crop_90": 0.1}, seed=2).assign(crop_90=np.nan)
    findings = after_deliveries(share_rows(pair, first, second))
    assert [finding.key for finding in findings] == ["delivery-png", "delivery-jpeg_75"]
    # two samples with ten images in common
    assert after_deliveries(share_rows(pair, first.iloc[:210], second.iloc[200:])) == []


def test_a_delivery_that_only_leaks_survive_is_not_claimed(pair: Pair) -> None:
    leaks = np.arange(N) < 80
    leaky = replace(pair.first, predictions=pair.first.predictions.assign(in_train=leaks))
    first = delivered({"png": 0.0, "jpeg_75": 0.0}, seed=1)
    second = first.assign(jpeg_75=np.where(leaks, -first["jpeg_75"], first["jpeg_75"]))
    finding = after_deliveries(share_rows(replace(pair, first=leaky), first, second))[1]
    assert (claim_status(finding).kind, finding.headline) == ("depends", "Depends on leaks and repeats.")


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("imitations", ([10, 5, 20, 1, 8], [50, 35, 70, 31, 44])),
        ("photographs", ([90, 70, 80, 60, 95], [80, 62, 69, 50, 86])),
    ],
)
def test_differences_go_by_source(pair: Pair, key: str, right: tuple[list[int], list[int]]) -> None:
    if key == "imitations":
        tables = [others({f"g{n}": [100 - count] * 2 for n, count in enumerate(counts)}) for counts in right]
    else:
        tables = [others({}, photographs=tuple(counts)) for counts in right]
        tables = [table[table["kind"] == PHOTOGRAPHS] for table in tables]
    finding = of(on_other_images(pair, (tables[0], tables[1]), CIFAR), f"other-{key}")
    leads, count = (np.array(right[0]) - right[1]) / 100, len(right[0])
    half = student.ppf(0.975, count - 1) * leads.std(ddof=1) / np.sqrt(count)
    # never narrower than that of as many independent pictures
    low, high = confint_proportions_2indep(
        sum(right[0]), 100 * count, sum(right[1]), 100 * count, method="newcomb", compare="diff"
    )
    expected = min(leads.mean() - half, low), max(leads.mean() + half, high)
    assert ends(finding) == pytest.approx(expected, abs=1e-6)
    assert finding.difference is not None
    assert (finding.difference.clusters, finding.difference.n) == (count, 100 * count)
    assert claim_status(finding).sign == np.sign(leads.mean())


def test_encodings_that_disagree_are_what_it_depends_on(pair: Pair) -> None:
    first = others({f"g{n}": [90 + n, 10 + n] for n in range(5)})
    second = others({f"g{n}": [10 + n, 90 + n] for n in range(5)})
    findings = on_other_images(pair, (first, second), CIFAR)
    status = claim_status(of(findings, "other-imitations"))
    assert (status.kind, list(status.on)) == ("depends", ["encoding"])
    names = {choice.value for choice in of(findings, "other-photographs").choices if choice.kind == "filter"}
    assert names == {f"{name}, {encoding}" for name in ("bicubic", "nearest") for encoding in (AS_CIFAKE, AS_IT_IS)}


def test_groups_that_were_not_measured_on_the_same_pictures_are_left_out(pair: Pair) -> None:
    table = others({"one": [90, 90], "two": [95, 95]})

    def keys(other: pd.DataFrame, imitates: tuple[str, str] = CIFAR, both: Pair = pair) -> list[str]:
        return [finding.key for finding in on_other_images(both, (table, other), imitates)]

    prints = table["fingerprint"]
    assert keys(table) == ["other-imitations", "other-photographs"]
    assert keys(table.assign(fingerprint=prints.str.replace("two", "three"))) == ["other-photographs"]
    assert keys(table.assign(images=table["images"] - (table["kind"] == PHOTOGRAPHS))) == ["other-imitations"]
    assert keys(table[table["kind"] == PHOTOGRAPHS]) == ["other-photographs"]
    # imitations of something else are other pictures, though they are as many
    assert keys(table, ("CIFAR-10", "MNIST")) == ["other-photographs"]
    # a detector that reads other pixels of the same pictures
    larger = replace(pair.second, manifest={**pair.second.manifest, "preprocess": asdict(Preprocessing(64))})
    moved = table.assign(fingerprint=prints + ", larger")
    assert keys(moved) == []
    assert keys(moved, both=replace(pair, second=larger)) == ["other-imitations", "other-photographs"]


def reader(tables: dict[str, pd.DataFrame]):  # type: ignore[no-untyped-def]
    return {
        name: StudyResult(Path(f"{name}.parquet"), table, {"parameters": {"imitates": CIFAR[0]}})
        for name, table in tables.items()
    }.get


def test_several_are_laid_out_beside_the_first(pair: Pair) -> None:
    def read(wrong: float, rows: NDArray[np.intp] | slice = slice(None)):  # type: ignore[no-untyped-def]
        table = delivered({"png": 0.0, "jpeg_75": wrong}, seed=1).iloc[rows]
        return reader({"deliveries": table, "transfer": others({"x": [9, 9], "y": [8, 8]})})

    first, *rest = (read(wrong) for wrong in (0.1, 0.5, 0.1))
    compared = [Comparison(pair, (first, other)) for other in rest]
    head, _, *lines = elsewhere(compared).splitlines()
    assert head == "| images | `a` right | `b` right | `b` right |"
    rows = {cells[1]: cells[2:-1] for cells in ([cell.strip() for cell in line.split("|")] for line in lines)}
    assert [*rows] == ["unchanged (saved as PNG)", "JPEG 75", "imitations of CIFAR-10", "squares of photographs"]
    mine, worse, same = rows["JPEG 75"]
    # after that delivery the second is wrong five times as often
    assert worse.startswith("**")
    assert mine == same
    assert "*" not in mine
    # on other images than the rest, which one row cannot hold
    text = elsewhere([compared[0], Comparison(pair, (read(0.1, slice(200)), first))])
    assert "JPEG 75" not in text
    assert "imitations of CIFAR-10" in text
    with pytest.raises(StudyError, match="in common"):
        elsewhere([Comparison(pair, ({}.get, {}.get))])
