"""Probes of two detectors side by side, planted and recomputed."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from statsmodels.stats.weightstats import DescrStatsW

from core.findings.claims import claim_status
from core.findings.finding import Finding, find
from core.perturbations.table import probe_columns
from core.studies.compared_probes import NEITHER, ProbePair, read, side_by_side
from core.studies.pair import Pair, Shared, pair_of, share_rows
from core.studies.study import WEIGHT
from tests.core.studies.pairs import made_run

N = 400
REAL = np.arange(N) % 2 == 0
MARGINS = np.where(REAL, 1.0, -1.0)
LOWPASS = ["lowpass_8", "lowpass_control_8"]


@pytest.fixture
def pair() -> Pair:
    return pair_of(made_run("a", MARGINS, REAL), made_run("b", MARGINS, REAL))


def table_of(
    flipped: dict[str, float], columns: list[str], *, seed: int, margins: NDArray[np.floating] = MARGINS
) -> pd.DataFrame:
    """A study's table in which a share of the verdicts flips under each column."""
    generator = np.random.default_rng(seed)
    table: dict[str, object] = {"id": [f"test-{number}" for number in range(N)], WEIGHT: np.ones(N, np.float32)}
    for column in columns:
        table[column] = np.where(generator.random(N) < flipped.get(column, 0.02), -margins, margins)
    return pd.DataFrame(table)


def columns_of(*prefixes: str) -> list[str]:
    return [column for column, (probe, _) in probe_columns().items() if probe.key.startswith(prefixes)]


@pytest.fixture
def shared(pair: Pair) -> Shared:
    """The first detector reads fine detail, the second does not; neither reads place."""
    columns = columns_of("lowpass", "tint", "blur", "hide")
    first = table_of({"lowpass_8": 0.9, "blur_1": 0.5}, columns, seed=1)
    second = table_of({}, [column for column in columns if column != "lowpass_grey_8"], seed=2)
    return share_rows(pair, first, second.iloc[::-1])


def of(findings: list[Finding], key: str) -> Finding:
    finding = find(findings, key)
    assert finding is not None
    return finding


def test_the_planted_difference_holds_against_every_control(shared: Shared) -> None:
    findings = read(shared)
    detail = of(findings, "reads-detail-FAKE")
    assert detail.details["column"] == "lowpass_8"
    assert (claim_status(detail).kind, claim_status(detail).sign) == ("holds", 1)
    assert detail.headline == "The first relies on it more."
    # the control that only one file has is left out
    assert [choice.value for choice in detail.choices] == [*ProbePair(shared).controls("lowpass_8"), "nothing"]
    assert len(detail.choices) == 3
    assert claim_status(of(findings, "reads-place-FAKE")).kind == "not shown"


@pytest.mark.parametrize(("first", "control", "headline"), [(0.9, 0.02, "The first relies"), (0.3, 0.95, NEITHER)])
def test_what_neither_flips_beyond_its_control_is_relied_on_by_none(
    pair: Pair, first: float, control: float, headline: str
) -> None:
    """Both flip less than under the control, one still less than the other."""
    tables = [
        table_of({"lowpass_8": share, "lowpass_control_8": control}, LOWPASS, seed=seed)
        for seed, share in enumerate((first, 0.02))
    ]
    assert of(read(share_rows(pair, *tables)), "reads-detail-FAKE").headline.startswith(headline)


@pytest.mark.parametrize(("hard", "kind"), [(0.9, "holds"), (0.02, "depends")])
def test_a_difference_must_hold_for_every_seam(pair: Pair, hard: float, kind: str) -> None:
    columns = columns_of("shuffle", "seams")
    flipped = {
        column: 0.9
        for column in columns
        if column.startswith("shuffle_") and column.endswith("_8") and not probe_columns()[column][0].is_control
    }
    first = table_of(flipped | {"shuffle_8": hard}, columns, seed=1)
    finding = of(read(share_rows(pair, first, table_of({}, columns, seed=2))), "reads-blocks-FAKE")
    assert len({choice.value for choice in finding.choices if choice.kind == "seam"}) > 1
    assert claim_status(finding).kind == kind


def test_intervals_are_those_of_statsmodels(shared: Shared) -> None:
    row = side_by_side(shared).set_index(["verdict", "column"]).loc[("FAKE", "lowpass_8")]
    probes = ProbePair(shared)
    control = probes.controls("lowpass_8")[row["control"]]
    tables = (table.set_index("id").loc[[f"test-{number}" for number in range(N)]] for table in shared.tables)
    flips = [[(table[column] > 0).to_numpy() != REAL for column in ("lowpass_8", control)] for table in tables]
    first, second = ((own.astype(float) - under)[~REAL] for own, under in flips)
    assert row["difference_value"] == pytest.approx((first - second).mean())
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(DescrStatsW(first - second).tconfint_mean())
    assert row["first_value"] == pytest.approx(first.mean())
    # findings have wider intervals, which hold together
    findings = read(shared)
    confidence, difference = 1 - 0.05 / len(findings), of(findings, "reads-detail-FAKE").difference
    assert difference is not None
    assert (difference.low, difference.high) == pytest.approx(
        DescrStatsW(first - second).tconfint_mean(alpha=1 - confidence)
    )
    # no other control leaves both detectors less
    for other in probes.controls("lowpass_8").values():
        beyond = probes.beyond("lowpass_8", other, "FAKE")
        assert beyond.first.value + beyond.second.value >= row["first_value"] + row["second_value"] - 1e-9


def test_different_samples_with_few_images_in_common_say_nothing(pair: Pair) -> None:
    columns = columns_of("lowpass")
    first, second = (table_of({"lowpass_8": share}, columns, seed=1).assign(**{WEIGHT: 2.0}) for share in (0.9, 0.1))
    generator = np.random.default_rng(0)
    picked = [np.sort(generator.permutation(N)[: N // 2]) for _ in range(2)]
    for one, other, known in (
        (first.assign(**{WEIGHT: 1.0}), second.assign(**{WEIGHT: 1.0}), True),
        # halves that share ten images of 400
        (first.iloc[:205], second.iloc[195:], False),
        # large random halves of each stand for the whole
        (first.iloc[picked[0]], second.iloc[picked[1]], True),
    ):
        shared = share_rows(pair, one, other)
        assert ProbePair(shared).beyond("lowpass_8", None, "FAKE").first.known == known
        assert bool(read(shared)) == known
