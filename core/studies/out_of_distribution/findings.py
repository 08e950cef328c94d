"""What the study `transfer` concludes of generators, photographs, filters and confidence, each beside the test set."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

from core.findings.finding import Choice, Control, Finding, Measure
from core.images.generator_names import generator_name
from core.images.upload import DEFAULT_FILTER
from core.runs.run import Run
from core.studies.out_of_distribution.study import AS_CIFAKE, AS_IT_IS, EVERY_FILTER, GENERATOR, OWN, PHOTOGRAPHS, SURE

Row: TypeAlias = "pd.Series[Any]"


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """Findings on generators, then on photographs, as far as there are any in the table."""
    own = table[table["kind"] == OWN].set_index("source")
    kinds = set(table.loc[table["encoding"] == AS_CIFAKE, "kind"])
    found = []
    if GENERATOR in kinds:
        found += _on_generators(table[table["kind"] == GENERATOR], own, run.manifest["set"])
    else:
        found.append(Finding("no_generators", "transfer", "called_real", Measure(float("nan"))))
    if PHOTOGRAPHS in kinds:
        found += _on_photographs(table[table["kind"] == PHOTOGRAPHS], own, run.manifest["set"])
    return found


def _real(row: Row) -> Measure:
    """The share of a group that is called REAL."""
    return Measure(float(row["share_real"]), float(row["low"]), float(row["high"]), int(row["images"]), _clusters(row))


def _fake(row: Row) -> Measure:
    """The share of a group that is called FAKE."""
    real = _real(row)
    return Measure(1 - real.value, 1 - real.high, 1 - real.low, real.n, real.clusters)


def _clusters(row: Row) -> int | None:
    return None if row["clusters"] == row["images"] else int(row["clusters"])


def _own_control(own: pd.DataFrame, label: str, name: str) -> Control | None:
    """How often the run's own images of a class are called the other one."""
    if label not in own.index:
        return None
    measure = _real if label == "FAKE" else _fake
    return Control(f"{label} images of {name}", measure(own.loc[label]))


def _on_generators(rows: pd.DataFrame, own: pd.DataFrame, name: str) -> list[Finding]:
    whole, each = rows[rows["source"] == "all"].set_index("encoding"), rows[rows["source"] != "all"]
    each = each[each["encoding"] == AS_CIFAKE].sort_values("share_real")
    control = _own_control(own, "FAKE", name)
    choices = [
        *(Choice("generator", generator_name(row["source"]), _real(row), control) for _, row in each.iterrows()),
        *(Choice("encoding", encoding, _real(row), control) for encoding, row in whole.iterrows()),
    ]
    return [
        Finding(
            "generators", "transfer", "called_real", _real(whole.loc[AS_CIFAKE]), group="FAKE", control=control,
            choices=tuple(choices), details={"set": name, "plain": AS_IT_IS, "left_out": int(each["skipped"].sum())},
        ),
        _on_confidence("confidence_generators", "pictures by other generators", whole.loc[AS_CIFAKE], own, name),
    ]  # fmt: skip


def _on_photographs(rows: pd.DataFrame, own: pd.DataFrame, name: str) -> list[Finding]:
    by_filter = rows[rows["encoding"] == AS_CIFAKE].set_index("filter")
    plain = rows[(rows["encoding"] == AS_IT_IS) & (rows["filter"] == DEFAULT_FILTER)]
    usual, every = by_filter.loc[DEFAULT_FILTER], by_filter.loc[EVERY_FILTER]
    single = by_filter.drop(index=EVERY_FILTER).sort_values("share_real", ascending=False)
    control = _own_control(own, "REAL", name)
    choices = [
        *(Choice("filter", str(filter_), _fake(row), control) for filter_, row in single.iterrows()),
        Choice("encoding", AS_CIFAKE, _fake(usual), control),
        *(Choice("encoding", AS_IT_IS, _fake(row), control) for _, row in plain.iterrows()),
    ]
    share, low, high = (float(every[f"depends{end}"]) for end in ("", "_low", "_high"))
    depends = Measure(share, low, high, int(usual["images"]), _clusters(usual))
    return [
        Finding(
            "photographs", "transfer", "called_fake", _fake(usual), group="REAL", control=control,
            choices=tuple(choices),
            details={"set": name, "filter": DEFAULT_FILTER, "photographs": int(usual["clusters"])},
        ),
        Finding("filters", "transfer", "filter_dependent", depends),
        _on_confidence("confidence_photographs", "squares of photographs", usual, own, name),
    ]  # fmt: skip


def _on_confidence(key: str, where: str, row: Row, own: pd.DataFrame, name: str) -> Finding:
    """Whether it sounds as sure as on the run's own images."""
    shares = own["images"] / own["images"].sum()
    mean, sure = (float((own[column] * shares).sum()) for column in ("confidence", "sure"))
    images = int(row["images"])
    return Finding(
        key, "transfer", "confidence", Measure(float(row["confidence"]), n=images, clusters=_clusters(row)),
        control=Control(name, Measure(mean, n=int(own["images"].sum()))),
        beside={"sure": Measure(float(row["sure"]), n=images), "own_sure": Measure(sure)},
        details={"where": where, "deviation": float(row["confidence_sd"]), "level": SURE},
    )  # fmt: skip
