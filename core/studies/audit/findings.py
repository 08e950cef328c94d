"""What an audit concludes: what tells the classes apart best first. Needs no torch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import pandas as pd

from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.headlines import Headlines, with_headlines
from core.findings.intervals import share_ratio, weighted_share
from core.findings.separation import RULE_BINS
from core.runs.run import Run
from core.studies.audit.names import FACT_NAMES
from core.studies.flips import flip_rates, read_flips
from core.studies.probes import answering_column, fair_rates, finding_of_rate
from core.studies.result import StudyResult

Row: TypeAlias = "pd.Series[Any]"
SHUFFLED, EVERY = "shuffled labels", "all images"
# greyness from which an image counts as grey: JPEG seldom leaves a grey image exactly grey
GREY = 0.99
# choices of the rule by which a number tells the classes apart
FITTED, RANK = f"{RULE_BINS} fitted bins", "rank"

HEADLINES: Headlines = {
    "fact.*": {
        "question": "Does this image statistic alone tell REAL from FAKE?",
        "holds": "It says something about the class.",
        "not shown": "Not shown to say anything about the class.",
        "no control": "All images have the same value.",
    },
    "leak": {
        "question": "Does remembering the training images tell REAL from FAKE?",
        "subject": "copies in the training set",
        "holds": "Copies in the training set give the class of some images away.",
        "not shown": "Not shown that copies in the training set give classes away.",
    },
    "grey": {
        "question": "Is one class grey more often than the other?",
        "holds": "One class is grey more often than the other.",
    },
    "baseline.spectrum": {
        "question": "Does logistic regression tell REAL from FAKE?",
        "subject": "of the spectrum",
        "holds": "The strengths of frequencies alone tell the classes apart.",
    },
    "baseline.*": {
        "question": "Does logistic regression tell REAL from FAKE?",
        "subject": "of image statistics",
        "holds": "Simple image statistics tell the classes apart.",
    },
    "lean.*": {
        "question": "Does the detector need this image statistic?",
        "holds": "It does better where this statistic cannot help.",
        "holds below": "It does worse where this statistic cannot help.",
        "not shown": "Not shown that the detector needs this statistic.",
    },
    "ring": {
        "question": "Which ring of the spectrum differs most between the classes?",
        "no control": "Descriptive only: the ring that differs most.",
    },
    "training.*": {
        "question": "How many images have a copy in the training set?",
        "no control": "A count, which has no control.",
    },
    "forced.*": {
        "question": "Does changing this image statistic flip verdicts?",
        "holds": "Changing it flips verdicts more often than its control does.",
    },
}


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """Findings `fact.<name>` and `leak` worst first; `grey`, `baseline.<name>`, `lean.<name>`, `ring`, `training.*`."""
    alone = [row for _, row in worst_first(table).iterrows()]
    network = table[table["kind"] == "network"].iloc[0]
    rows = {kind: [row for _, row in table[table["kind"] == kind].iterrows()] for kind in ("baseline", "copies")}
    return [
        *(_cue(row) for row in alone),
        *_grey(run, next((row for row in alone if row["name"] == "greyness"), None)),
        *(_baseline(row, network) for row in rows["baseline"]),
        *(_lean(row, network) for row in alone),
        _ring(table[table["kind"] == "ring"]),
        *(_copies(row) for row in rows["copies"]),
    ]


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of facts and of leaks, those that certainly tell most first."""
    rows = table[table["kind"].isin(["fact", "leak"])]
    return rows.sort_values("auroc_low", ascending=False, kind="stable").reset_index(drop=True)


def _measure(row: Row, name: str) -> Measure:
    value, low, high = (float(row[name + end]) for end in ("", "_low", "_high"))
    return Measure(value, low, high, int(row["images"]))


def _named(row: Row) -> dict[str, Any]:
    """How a fact is called; nothing for a leak."""
    if row["kind"] == "leak":
        return {}
    name = FACT_NAMES[row["name"]]
    return {"title": name.title, "alike": name.alike or name.title.lower()}


def _cue(row: Row) -> Finding:
    """What a fact, or remembering the training images, tells alone."""
    leak = row["kind"] == "leak"
    details = _named(row)
    if leak:
        details |= {name: int(row[name]) for name in ("count", "other_class")}
    elif row["values"] == 1:
        key, images = f"fact.{row['name']}", int(row["images"])
        return Finding(
            key, "audit", "cue_auroc", Measure(0.5, 0.5, 0.5, images), details={**details, "one_value": True}
        )
    elif FACT_NAMES[row["name"]].is_number:
        details |= _difference(row)
    control = Control(SHUFFLED, _measure(row, "shuffled"))
    key = "leak" if leak else f"fact.{row['name']}"
    fitted, choices = _measure(row, "auroc"), []
    if "higher" in details:
        details["bins"] = RULE_BINS
        guessing = Control("guessing", Measure(0.5))
        choices = [Choice("rule", FITTED, fitted, control), Choice("rule", RANK, _ranked(row), guessing)]
    return Finding(key, "audit", "cue_auroc", fitted, control=control, choices=tuple(choices), details=details)


def _ranked(row: Row) -> Measure:
    """What ranking images by a fact tells, whichever class has more of it."""
    direct = _measure(row, "direct")
    return direct if direct.value >= 0.5 else Measure(1 - direct.value, 1 - direct.high, 1 - direct.low, direct.n)


def _grey(run: Run, row: "Row | None") -> list[Finding]:
    """How many images of each class are grey all over or nearly; nothing where a class has none.

    Args:
        run: whose images are counted.
        row: of greyness, None where the audit has none.
    """
    grey = run.predictions["greyness"].to_numpy() >= GREY
    labels = run.predictions["label"].astype(str).to_numpy()
    parts = {label: grey[labels == label] for label in ("FAKE", "REAL")}
    if row is None or not all(part.any() for part in parts.values()):
        return []
    less, more = sorted(parts, key=lambda label: float(parts[label].mean()))
    times = share_ratio(*(count for label in (more, less) for count in (int(parts[label].sum()), len(parts[label]))))
    shares = {label: Measure.of(weighted_share(part)) for label, part in parts.items()}
    return [
        Finding(
            "grey", "audit", "grey_share", shares[more], group=more, control=Control(f"{less} images", shares[less]),
            beside={"times": Measure.of(times)},
            details={"level": f"{GREY:g}", "against": _difference(row)["higher"] == less},
        )
    ]  # fmt: skip


def _difference(row: Row) -> dict[str, Any]:
    """Describe which class has higher values of a fact, if any significantly."""
    name, higher = FACT_NAMES[row["name"]], None
    if not row["direct_low"] <= 0.5 <= row["direct_high"]:
        higher = "REAL" if row["direct"] > 0.5 else "FAKE"
    medians = {side: float(row[f"median_{side.lower()}"]) for side in ("REAL", "FAKE")}
    return {"higher": higher, "more": name.more, "less": name.less, "unit": name.unit, "medians": medians}


def _baseline(row: Row, network: Row) -> Finding:
    """A regression beside the network."""
    beside = {
        "accuracy": _measure(row, "accuracy"),
        "network": _measure(network, "auroc"),
        "network_accuracy": _measure(network, "accuracy"),
    }
    control = Control(SHUFFLED, _measure(row, "shuffled"))
    return Finding(
        f"baseline.{row['name']}", "audit", "cue_auroc", _measure(row, "auroc"), control=control, beside=beside,
        details={"fitted": int(row["fitted"])},
    )  # fmt: skip


def _lean(row: Row, network: Row) -> Finding:
    """What the detector does where a fact, or a copy, cannot help it."""
    key = "lean.leak" if row["kind"] == "leak" else f"lean.{row['name']}"
    names = {"lean": "lean", "right": "matched_accuracy"}
    # matched pairs are fewer than the images, and the file does not say how many
    found = {column: replace(_measure(row, column), n=0) for column in ("matched_auroc", *names.values())}
    beside = {name: found[column] for name, column in names.items() if found[column].known}
    return Finding(
        key, "audit", "matched_auroc", found["matched_auroc"],
        control=Control(EVERY, _measure(network, "auroc")), beside=beside, details=_named(row),
    )  # fmt: skip


def _ring(rings: pd.DataFrame) -> Finding:
    """The ring of the spectrum whose power differs most between the classes."""
    best = rings.loc[(rings["direct"] - 0.5).abs().idxmax()]
    details = {"ring": int(best["name"]), "rings": len(rings)}
    return Finding("ring", "audit", "ring_auroc", _measure(best, "direct"), details=details)


def _copies(row: Row) -> Finding:
    """Copies among the training images."""
    details = {name: int(row[name]) for name in ("count", "other_class")}
    images = int(row["images"])
    return Finding(row["name"], "audit", "copies", Measure(details["count"] / images, n=images), details=details)


def forced(run: Run, probes: StudyResult, fact: str) -> list[Finding]:
    """What experiments that change a fact do: for each verdict the strength that answers, as on the page Evidence.

    Args:
        run: that was probed.
        probes: the study `probes` of it.
        fact: a key of `FACT_NAMES`.
    """
    name = FACT_NAMES[fact]
    if not name.probes:
        return []
    rates = flip_rates(read_flips(run, probes.table, probes.about.get("parameters")), probes=name.probes)
    found = []
    for verdict, group in rates[rates["share"].notna()].groupby("verdict", sort=False):
        best = group.set_index("column", drop=False).loc[answering_column(group)]
        beyond = fair_rates(group)["net_low"]
        certain = float(beyond.max()) if len(beyond) else None
        found.append(finding_of_rate(f"forced.{fact}.{str(verdict).lower()}", best, study="audit", certain=certain))
    return with_headlines(found, HEADLINES)
