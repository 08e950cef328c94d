"""Two detectors after deliveries and on images of other sources, planted and recomputed."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from statsmodels.stats.proportion import confint_proportions_2indep

from core.findings.claims import claim_status
from core.findings.finding import Finding, find
from core.images.preprocessing import Preprocessing
from core.metrics.intervals import Estimate, difference_of_intervals
from core.runs.metrics import wilson_interval
from core.studies.compared_images import after_deliveries, on_other_images
from core.studies.comparison import Comparison, elsewhere
from core.studies.out_of_distribution import AS_CIFAKE, AS_IT_IS, IMITATIONS, PHOTOGRAPHS
from core.studies.pair import Pair, pair_of, share_rows
from core.studies.study import WEIGHT, StudyError
from tests.core.studies.pairs import made_run

N = 400
CIFAR = ("CIFAR-10", "CIFAR-10")


@pytest.fixture
def pair() -> Pair:
    is_real = np.arange(N) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    return pair_of(made_run("a", margins, is_real), made_run("b", margins, is_real))


def delivered(pair: Pair, wrong: dict[str, float], *, seed: int, rows: slice = slice(None)) -> pd.DataFrame:
    """A study's table in which a share of the verdicts is wrong after each delivery."""
    generator, signs = np.random.default_rng(seed), np.where(pair.is_real, 1.0, -1.0)
    table = {"id": pair.first.predictions["id"], WEIGHT: np.ones(N, np.float32)}
    table |= {name: np.where(generator.random(N) < share, -signs, signs) for name, share in wrong.items()}
    return pd.DataFrame(table).iloc[rows].reset_index(drop=True)


def test_the_detector_that_survives_a_delivery_is_right_more_often_after_it(pair: Pair) -> None:
    first = delivered(pair, {"png": 0.02, "jpeg_75": 0.4, "jpeg_95": 0.05}, seed=1)
    second = delivered(pair, {"png": 0.02, "jpeg_75": 0.1, "jpeg_95": 0.05}, seed=2).iloc[::-1]
    found = after_deliveries(share_rows(pair, first, second))
    assert [one.key for one in found] == ["delivery-png", "delivery-jpeg_95", "delivery-jpeg_75"]
    signs = {one.key: (claim_status(one).kind, claim_status(one).sign) for one in found}
    assert signs == {
        "delivery-jpeg_95": ("not shown", 0), "delivery-jpeg_75": ("holds", -1), "delivery-png": ("not shown", 0)
    }  # fmt: skip
    one = found[2]
    right = [((table.sort_values("id")["jpeg_75"] > 0).to_numpy() == _labels(pair, table)) for table in (first, second)]
    assert one.measure.value == pytest.approx(right[0].mean())
    assert one.control is not None
    assert one.control.measure.value == pytest.approx(right[1].mean())
    # three intervals at once
    assert one.difference is not None
    leads = right[0].astype(float) - right[1]
    half = student.ppf(1 - 0.05 / 6, N - 1) * leads.std(ddof=1) / np.sqrt(N)
    assert (one.difference.low, one.difference.high) == pytest.approx((leads.mean() - half, leads.mean() + half))


def _labels(pair: Pair, table: pd.DataFrame) -> np.ndarray:
    labels = pair.first.predictions.set_index("id")["label"] == "REAL"
    return labels.loc[table.sort_values("id")["id"]].to_numpy()


def test_deliveries_that_one_has_not_or_that_leave_too_little_are_left_out(pair: Pair) -> None:
    first = delivered(pair, {"png": 0.0, "jpeg_75": 0.1, "webp_80": 0.1, "crop_90": 0.1}, seed=1)
    second = delivered(pair, {"png": 0.0, "jpeg_75": 0.1, "crop_90": 0.1}, seed=2)
    second["crop_90"] = np.nan
    assert [one.details["value"] for one in after_deliveries(share_rows(pair, first, second))] == ["PNG", "JPEG 75"]


def test_samples_with_few_images_in_common_are_not_compared(pair: Pair) -> None:
    first = delivered(pair, {"png": 0.0, "jpeg_75": 0.1}, seed=1, rows=slice(0, 210))
    second = delivered(pair, {"png": 0.0, "jpeg_75": 0.1}, seed=2, rows=slice(200, N))
    assert after_deliveries(share_rows(pair, first, second)) == []


def others(real: dict[str, list[int]], *, photographs: tuple[float, float, float] = (0.8, 0.7, 0.9)) -> pd.DataFrame:
    """A table of the study `transfer`: per generator how many of 100 are called REAL in either encoding."""
    rows = []
    for number, encoding in enumerate((AS_CIFAKE, AS_IT_IS)):
        calls = {name: counts[number] for name, counts in real.items()}
        for name, count in calls.items():
            low, high = map(float, wilson_interval(count, 100))
            rows.append(
                (IMITATIONS, name, encoding, None, 100, 100, count, 100 - count, low, high, f"pixels of {name}")
            )
        total, many = sum(calls.values()), 100 * len(calls)
        share = total / many
        rows.append(
            (IMITATIONS, "all", encoding, None, many, len(calls), total, many - total, share - 0.05, share + 0.05, None)
        )
        for filter_, shift in (("bicubic", 0.0), ("nearest", -0.3)):
            value, low, high = (end + shift for end in photographs)
            count = round(800 * value)
            rows.append((PHOTOGRAPHS, "all", encoding, filter_, 800, 8, count, 800 - count, low, high, None))
    names = ["kind", "source", "encoding", "filter", "images", "clusters", "called_real", "called_fake", "low", "high"]
    table = pd.DataFrame(rows, columns=[*names, "fingerprint"])
    return table.assign(share_real=table["called_real"] / table["images"], depends=np.nan)


def of(found: list[Finding], key: str) -> Finding:
    one = find(found, key)
    assert one is not None
    return one


def test_differences_go_by_generator(pair: Pair) -> None:
    first, second = (
        {"one": [90, 90], "two": [95, 95], "three": [80, 80], "four": [99, 99]},
        {"one": [50, 50], "two": [65, 65], "three": [30, 30], "four": [69, 69]},
    )
    one = of(on_other_images(pair, (others(first), others(second)), CIFAR), "other-imitations")
    assert one.group == "FAKE"
    assert one.measure.value == pytest.approx(1 - 364 / 400)
    leads = np.array([-0.4, -0.3, -0.5, -0.3])
    half = student.ppf(0.975, 3) * leads.std(ddof=1) / 2
    assert one.difference is not None
    assert (one.difference.low, one.difference.high) == pytest.approx((leads.mean() - half, leads.mean() + half))
    assert (one.difference.clusters, one.difference.n) == (4, 400)
    assert (claim_status(one).kind, claim_status(one).sign) == ("holds", -1)


def test_few_generators_that_agree_by_chance_do_not_make_a_narrow_interval(pair: Pair) -> None:
    one = of(
        on_other_images(pair, (others({"one": [4, 4], "two": [4, 4]}), others({"one": [3, 3], "two": [3, 3]})), CIFAR),
        "other-imitations",
    )
    assert one.difference is not None
    low, high = confint_proportions_2indep(192, 200, 194, 200, method="newcomb", compare="diff")
    assert (one.difference.low, one.difference.high) == pytest.approx((low, high), abs=1e-6)
    assert claim_status(one).kind == "not shown"


def test_one_generator_says_nothing_of_others(pair: Pair) -> None:
    one = of(on_other_images(pair, (others({"one": [90, 90]}), others({"one": [10, 10]})), CIFAR), "other-imitations")
    assert claim_status(one).kind == "not shown"


def test_encodings_that_disagree_are_the_finding(pair: Pair) -> None:
    first = others({"one": [90, 10], "two": [92, 12], "three": [91, 9]})
    second = others({"one": [10, 90], "two": [12, 92], "three": [9, 91]})
    one = of(on_other_images(pair, (first, second), CIFAR), "other-imitations")
    assert (claim_status(one).kind, list(claim_status(one).on)) == ("depends", ["encoding"])


def test_photographs_are_compared_one_by_one(pair: Pair) -> None:
    right = np.array([90, 70, 80, 60, 95]), np.array([80, 62, 69, 50, 86])
    tables = [by_photograph([*counts]) for counts in right]
    one = of(on_other_images(pair, (tables[0], tables[1]), CIFAR), "other-photographs")
    leads = (right[0] - right[1]) / 100
    half = student.ppf(0.975, 4) * leads.std(ddof=1) / np.sqrt(5)
    assert one.difference is not None
    assert one.difference.value == pytest.approx(leads.mean())
    # never narrower than that of as many independent squares
    low, high = confint_proportions_2indep(right[0].sum(), 500, right[1].sum(), 500, method="newcomb", compare="diff")
    expected = (min(leads.mean() - half, low), max(leads.mean() + half, high))
    assert (one.difference.low, one.difference.high) == pytest.approx(expected, abs=1e-6)
    assert (one.difference.n, one.difference.clusters) == (500, 5)
    # beside a file of an older version only both shares are known
    older = tables[1][tables[1]["source"] == "all"]
    for both in ((tables[0], older), (older, tables[0])):
        found = of(on_other_images(pair, both, CIFAR), "other-photographs")
        assert found.difference is not None
        assert found.difference.high - found.difference.low > high - low
    # other squares of the same photographs
    others_ = tables[1].assign(fingerprint=tables[1]["fingerprint"] + " moved")
    assert on_other_images(pair, (tables[0], others_), CIFAR) == []


def by_photograph(real: list[int]) -> pd.DataFrame:
    """A table of the study `transfer`: per photograph how many of 100 squares are called REAL, in either encoding."""
    rows = []
    for encoding in (AS_CIFAKE, AS_IT_IS):
        for number, count in enumerate(real):
            rows.append((f"photo {number}", encoding, 100, 1, count, 0.0, 1.0, f"pixels of {number}"))
        share = sum(real) / (100 * len(real))
        rows.append(("all", encoding, 100 * len(real), len(real), sum(real), share - 0.2, share + 0.2, None))
    names = ["source", "encoding", "images", "clusters", "called_real", "low", "high", "fingerprint"]
    table = pd.DataFrame(rows, columns=names).assign(kind=PHOTOGRAPHS, filter="bicubic", depends=np.nan)
    shares = table["called_real"] / table["images"]
    return table.assign(called_fake=table["images"] - table["called_real"], share_real=shares)


def test_photographs_are_compared_by_their_intervals_where_files_are_older(pair: Pair) -> None:
    generators = {"one": [90, 90], "two": [95, 95]}
    first, second = others(generators, photographs=(0.5, 0.4, 0.6)), others(generators, photographs=(0.9, 0.8, 0.95))
    one = of(on_other_images(pair, (first, second), CIFAR), "other-photographs")
    assert one.group == "REAL"
    assert one.difference is not None
    assert one.difference.value == pytest.approx(-0.4)
    assert one.difference.low == pytest.approx(-0.4 - np.hypot(0.1, 0.05))
    assert one.difference.high == pytest.approx(-0.4 + np.hypot(0.1, 0.1))
    assert (one.difference.n, one.difference.clusters) == (800, 8)
    names = {choice.value for choice in one.choices if choice.kind == "filter"}
    assert names == {f"{name}, {encoding}" for name in ("bicubic", "nearest") for encoding in (AS_CIFAKE, AS_IT_IS)}


def test_groups_that_were_not_measured_on_the_same_pictures_are_left_out(pair: Pair) -> None:
    table = others({"one": [90, 90], "two": [95, 95]})
    other = table.assign(fingerprint=table["fingerprint"].str.replace("two", "three"))
    assert [one.key for one in on_other_images(pair, (table, other), CIFAR)] == ["other-photographs"]
    fewer = table.assign(images=table["images"] - (table["kind"] == PHOTOGRAPHS))
    assert [one.key for one in on_other_images(pair, (table, fewer), CIFAR)] == ["other-imitations"]
    apart = (table[table["kind"] == IMITATIONS], table[table["kind"] == PHOTOGRAPHS])
    assert on_other_images(pair, apart, CIFAR) == []
    # imitations of something else are other pictures, though they are as many
    assert [one.key for one in on_other_images(pair, (table, table), ("CIFAR-10", "MNIST"))] == ["other-photographs"]
    # a file that was not made on the same pictures may lack what says so
    unknown = table.assign(fingerprint=None)
    for both in ((table, unknown), (unknown, table)):
        assert [one.key for one in on_other_images(pair, both, CIFAR)] == ["other-photographs"]


def test_detectors_that_read_other_pixels_of_the_same_pictures_are_compared(pair: Pair) -> None:
    table = others({"one": [90, 90], "two": [95, 95]})
    pixels = table.assign(fingerprint=table["fingerprint"] + ", larger")
    larger = replace(pair.second, manifest={**pair.second.manifest, "preprocess": asdict(Preprocessing(64))})
    assert larger.preprocessing.size == 64
    found = on_other_images(replace(pair, second=larger), (table, pixels), CIFAR)
    assert [one.key for one in found] == ["other-imitations", "other-photographs"]


def test_a_delivery_that_only_leaks_survive_is_not_claimed(pair: Pair) -> None:
    leaks = np.arange(N) < 80
    leaky = replace(pair.first, predictions=pair.first.predictions.assign(in_train=leaks))
    first = delivered(pair, {"png": 0.0, "jpeg_75": 0.0}, seed=1)
    second = first.assign(jpeg_75=np.where(leaks, -first["jpeg_75"], first["jpeg_75"]))
    found = after_deliveries(share_rows(replace(pair, first=leaky), first, second))
    assert claim_status(found[1]).kind == "depends"
    assert found[1].headline == "Depends on leaks and repeats."


@pytest.mark.parametrize("study", ["deliveries", "transfer"])
def test_files_that_lack_what_is_compared_are_as_good_as_none(pair: Pair, study: str) -> None:
    if study == "deliveries":
        whole = delivered(pair, {"png": 0.0}, seed=1)
        damaged = [whole.drop(columns=WEIGHT), whole.assign(id="same"), whole.assign(**{WEIGHT: np.nan})]
    else:
        whole = others({"x": [9, 9], "y": [8, 8]})
        damaged = [whole.drop(columns=name) for name in ("fingerprint", "depends", "filter", "images")]
        damaged += [whole.assign(clusters=np.nan), whole.assign(images="many")]
    for table in [*damaged, whole.iloc[:0]]:
        compared = Comparison(pair, ({study: _Result(whole)}.get, {study: _Result(table)}.get))  # type: ignore[arg-type]
        assert (compared.deliveries, compared.other_images) == ([], [])
    compared = Comparison(pair, ({study: _Result(whole)}.get, {study: _Result(whole)}.get))  # type: ignore[arg-type]
    assert compared.deliveries or compared.other_images


def test_a_difference_of_independent_shares_is_newcombes() -> None:
    one, other = (Estimate(k / n, *map(float, wilson_interval(k, n)), n) for k, n in ((56, 70), (48, 80)))
    low, high = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert difference_of_intervals(one, other)[:3] == pytest.approx((0.2, low, high), abs=1e-6)


def test_several_are_laid_out_beside_the_first(pair: Pair) -> None:
    def one(wrong: float, called: int) -> dict[str, pd.DataFrame]:
        groups = {"x": [9, 9], "y": [8, called]}
        return {"deliveries": delivered(pair, {"png": 0.0, "jpeg_75": wrong}, seed=1), "transfer": others(groups)}

    first, *rest = (
        {name: _Result(table) for name, table in one(*given).items()} for given in ((0.1, 8), (0.5, 8), (0.1, 8))
    )
    compared = [Comparison(pair, (first.get, other.get)) for other in rest]  # type: ignore[arg-type]
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
    half = {**first, "deliveries": _Result(first["deliveries"].table.iloc[:200])}
    told = elsewhere([compared[0], Comparison(pair, (half.get, first.get))])  # type: ignore[arg-type]
    assert "JPEG 75" not in told
    assert "imitations of CIFAR-10" in told
    with pytest.raises(StudyError, match="in common"):
        elsewhere([Comparison(pair, ({}.get, {}.get))])


class _Result:
    """As much of a study's result as a comparison reads."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table, self.about = table, {"parameters": {"imitates": CIFAR[0]}}
