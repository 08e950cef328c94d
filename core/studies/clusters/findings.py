"""Findings of the study `clusters`: the cluster with most errors, their number, and how well they are separated."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.findings.finding import Control, Finding, Measure
from core.findings.headlines import Headlines
from core.runs.run import Run
from core.studies.clusters.summary import SPACES, Card, clearness, read_cards, worst_card
from core.studies.groups import VERDICTS

HEADLINES: Headlines = {
    "worst-*-FAKE": {
        "question": "Is there a group of FAKE verdicts that errs unusually often?",
        "holds": "One group of FAKE verdicts errs more often than its margins predict.",
        "holds below": "The worst group errs less often than its margins predict.",
        "not shown": "The worst group errs no more than its margins predict.",
        "unknown": "No group of FAKE verdicts certainly errs more often than the others.",
    },
    "worst-*-REAL": {
        "question": "Is there a group of REAL verdicts that errs unusually often?",
        "holds": "One group of REAL verdicts errs more often than its margins predict.",
        "holds below": "The worst group errs less often than its margins predict.",
        "not shown": "The worst group errs no more than its margins predict.",
        "unknown": "No group of REAL verdicts certainly errs more often than the others.",
    },
    "number-*-FAKE": {
        "question": "Do FAKE verdicts fall into separate groups?",
        "holds": "FAKE verdicts fall into separate groups.",
        "not shown": "Not shown that the groups of FAKE verdicts are separate.",
    },
    "number-*-REAL": {
        "question": "Do REAL verdicts fall into separate groups?",
        "holds": "REAL verdicts fall into separate groups.",
        "not shown": "Not shown that the groups of REAL verdicts are separate.",
    },
}


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """For each space and verdict: `worst-<space>-<verdict>` and `number-<space>-<verdict>`."""
    findings = []
    for space in SPACES:
        cards = read_cards(table, run, space, described=False)
        for verdict in VERDICTS:
            mine = [card for card in cards if card.verdict == verdict]
            if len(mine) > 1:
                findings += [_worst(mine, space), _number(table, run, space, verdict)]
    return findings


def _worst(cards: list[Card], space: str) -> Finding:
    """Find where the verdict of these cards goes wrong most, beside what its margins predict.

    Without a known number where no cluster certainly errs more than the verdict.
    """
    verdict, overall = cards[0].verdict, Measure(cards[0].verdict_error_rate, n=sum(card.images for card in cards))
    worst = worst_card(cards)
    key, beside = f"worst-{space}-{verdict}", {"overall": overall}
    details: dict[str, Any] = {"space": SPACES[space]}
    if worst is None:
        unknown = Measure(np.nan, n=overall.n)
        return Finding(
            key,
            "clusters",
            "error_rate",
            unknown,
            group=verdict,
            beside=beside,
            details=details,
            subject=f"by {SPACES[space]}",
        )
    expected, beyond = map(Measure.of, worst.expected)
    return Finding(
        key, "clusters", "error_rate", Measure.of(worst.error_rate), group=verdict,
        control=Control(f"{verdict} verdicts with equal margins", expected), difference=beyond, beside=beside,
        details={**details, "cluster": worst.number}, subject=f"by {SPACES[space]}",
    )  # fmt: skip


def _number(table: pd.DataFrame, run: Run, space: str, verdict: str) -> Finding:
    """Report the number of clusters and how well they are separated."""
    clear = clearness(table, run, space, verdict)
    control = Control("a cloud without clusters that is spread as widely", Measure(clear.control, n=clear.images))
    return Finding(
        f"number-{space}-{verdict}", "clusters", "silhouette", Measure(clear.silhouette, n=clear.images),
        group=verdict, control=control, details={"space": SPACES[space], "clusters": clear.clusters},
        subject=f"by {SPACES[space]}",
    )  # fmt: skip
