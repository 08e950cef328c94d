"""What the study `transfer` concludes of generators, photographs, filters and confidence, each beside the test set.

Imitations of the detector's REAL class and pictures drawn large answer two questions, so no rate is over both.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

from core.findings.finding import Choice, Control, Finding, Measure
from core.images.generator_names import generator_name
from core.runs.run import Run
from core.studies.out_of_distribution.study import (
    AS_CIFAKE,
    AS_IT_IS,
    BUT_CRUDEST,
    EVERY_FILTER,
    IMITATIONS,
    LARGE,
    OWN,
    PHOTOGRAPHS,
    SURE,
)

Row: TypeAlias = "pd.Series[Any]"
# kind of rows -> key of its finding, and what the images are
GROUPS = {
    LARGE: ("large", "pictures drawn large by other generators"),
    IMITATIONS: ("imitations", "imitations of {imitates}"),
    PHOTOGRAPHS: ("photographs", "squares of photographs"),
}


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """For each group of images its rate, whether the filter decides, and its confidence; of absent generators no rate.

    Keys: `large`, `imitations` and `photographs`; `filters_<group>`; `confidence_<group>`.
    """
    own = table[table["kind"] == OWN].set_index("source")
    imitates = str(parameters.get("imitates", "CIFAR-10"))
    rates, filters, sure, absent = [], [], [], []
    for kind, (key, where) in GROUPS.items():
        rows = table[table["kind"] == kind]
        if rows.empty:
            if kind != PHOTOGRAPHS:
                absent.append(
                    Finding(key, "transfer", "called_real", Measure(float("nan")), details=_about(run, imitates))
                )
            continue
        usual = rows[(rows["filter"] == run.preprocessing.interpolation) | rows["filter"].isna()]
        rates.append(_rate(key, rows, usual, own, _about(run, imitates)))
        whole = _whole(usual, AS_CIFAKE)
        sure.append(
            _on_confidence(f"confidence_{key}", where.format(imitates=imitates), whole, own, run.manifest["set"])
        )
        filters += _filters(f"filters_{key}", rows)
    return [*rates, *filters, *sure, *absent]


def _about(run: Run, imitates: str) -> dict[str, Any]:
    name = str(run.manifest["set"])
    # CIFAKE's REAL images are CIFAR-10
    return {"set": name, "imitates": imitates, "own_real": name.startswith("cifake") and imitates == "CIFAR-10"}


def _whole(rows: pd.DataFrame, encoding: str) -> Row:
    """The one row among these that is about all sources."""
    return rows[(rows["source"] == "all") & (rows["encoding"] == encoding)].iloc[0]


def _real(row: Row) -> Measure:
    """The share of a group that is called REAL."""
    return Measure(float(row["share_real"]), float(row["low"]), float(row["high"]), int(row["images"]), _clusters(row))


def _fake(row: Row) -> Measure:
    """The share of a group that is called FAKE."""
    real = _real(row)
    return Measure(1 - real.value, 1 - real.high, 1 - real.low, real.n, real.clusters)


def _clusters(row: Row) -> int | None:
    return None if row["clusters"] == row["images"] else int(row["clusters"])


def _rate(key: str, rows: pd.DataFrame, usual: pd.DataFrame, own: pd.DataFrame, about: Mapping[str, Any]) -> Finding:
    """Build the finding on how often a group is misclassified, with the run's own images of its class as control.

    Args:
        key: of the finding.
        rows: of the group.
        usual: those of them under the detector's own filter.
        own: the run's own rows, by class.
        about: details.
    """
    group, called = ("REAL", _fake) if key == "photographs" else ("FAKE", _real)
    control = None
    if group in own.index:
        control = Control(f"{group} images of {about['set']}", called(own.loc[group]))
    saved, each = rows[rows["encoding"] == AS_CIFAKE], usual[(usual["source"] != "all")]
    each = each[each["encoding"] == AS_CIFAKE].sort_values("share_real")
    # crops of one photograph say nothing of others
    each = each[each["kind"] != PHOTOGRAPHS]
    filters = saved[(saved["source"] == "all") & saved["filter"].notna() & saved["depends"].isna()]
    main = called(_whole(usual, AS_CIFAKE))
    # a few generators say little of others, although each is known well: alone none bears a claim over them
    bar = None if key == "large" else control
    choices = [
        *(Choice("generator", generator_name(str(row["source"])), called(row), bar) for _, row in each.iterrows()),
        *(
            Choice("filter", str(row["filter"]), called(row), control)
            for _, row in filters.sort_values("share_real", ascending=group == "FAKE").iterrows()
        ),
        *(Choice("encoding", name, called(_whole(usual, name)), control) for name in (AS_CIFAKE, AS_IT_IS)),
    ]
    details = {
        **about, "plain": AS_IT_IS, "filter": next(iter(usual["filter"].dropna()), ""),
        "sources": int(_whole(usual, AS_CIFAKE)["clusters"]), "left_out": int(each["skipped"].sum()),
    }  # fmt: skip
    quantity = "called_fake" if group == "REAL" else "called_real"
    return Finding(key, "transfer", quantity, main, group, control, choices=tuple(choices), details=details)


def _filters(key: str, rows: pd.DataFrame) -> list[Finding]:
    """On how many the verdict depends on the filter, with and without the crudest."""
    found = rows[rows["depends"].notna() & (rows["encoding"] == AS_CIFAKE)].set_index("filter")
    if EVERY_FILTER not in found.index:
        return []
    measures = {
        str(name): Measure(
            float(row["depends"]),
            float(row["depends_low"]),
            float(row["depends_high"]),
            int(row["images"]),
            _clusters(row),
        )
        for name, row in found.iterrows()
    }
    beside = {"without": measures[BUT_CRUDEST]} if BUT_CRUDEST in measures else {}
    choices = tuple(Choice("filters", name, measure) for name, measure in measures.items())
    main = measures[EVERY_FILTER]
    return [Finding(key, "transfer", "filter_dependent", main, choices=choices, beside=beside)]


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
