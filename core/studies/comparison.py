"""Two runs side by side, and their studies: what the page Compare and the report of two runs show. Needs no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from core.findings.claims import claim_status
from core.findings.finding import Finding
from core.findings.numbers import format_measure
from core.findings.table import markdown
from core.runs.run import told_apart
from core.studies.compared_images import after_deliveries, on_other_images
from core.studies.compared_predictions import SEVERAL, by, columns_of, conclude, outcome_rates
from core.studies.compared_probes import read, side_by_side
from core.studies.pair import Pair, Shared, pair_of, share_rows
from core.studies.store import StudyResult
from core.studies.study import WEIGHT, StudyError

__all__ = ["SEVERAL", "TRUST", "Comparison", "Pair", "Read", "SideBySide", "as_row", "elsewhere", "pair_of"]

# the studies of explanations, in the order in which they are compared
TRUST = ("faithfulness", "agreement", "stability", "certainty", "sanity", "one_colour")
# the study of this name, whose findings can be made; None where the run has none
Read = Callable[[str], StudyResult | None]


@dataclass(frozen=True)
class SideBySide:
    """One finding on explanations of both runs; each measured on images of its own sample.

    Attributes:
        study, title: its name and title.
        first, second: of the same key.
    """

    study: str
    title: str
    first: Finding
    second: Finding

    @property
    def alike(self) -> bool:
        """True where both have the same status, and in one direction."""
        first, second = claim_status(self.first), claim_status(self.second)
        return (first.kind, first.sign) == (second.kind, second.sign)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs and their studies; each part is computed when it is first used.

    Attributes:
        pair: the runs.
        readers: read a study of the first, and of the second.
        problems: a sentence for each study that cannot be read.
    """

    pair: Pair
    readers: tuple[Read, Read]
    problems: tuple[str, ...] = ()

    @cached_property
    def findings(self) -> list[Finding]:
        """On the predictions of both, from `conclude`."""
        return conclude(self.pair)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """How often only one and both are wrong, from `outcome_rates`."""
        return outcome_rates(self.pair)

    @cached_property
    def broken_down(self) -> dict[str, list[Finding]]:
        """Column -> the accuracies of each of its values, from `by`."""
        return {column: by(self.pair, column) for column in columns_of(self.pair)}

    @cached_property
    def changes(self) -> pd.DataFrame:
        """Every strength of every probe of both, from `side_by_side`; empty where a run has no probes."""
        shared = self._shared("probes")
        return pd.DataFrame() if shared is None else side_by_side(shared)

    @cached_property
    def reads(self) -> list[Finding]:
        """What each relies on, from `read`; empty where a run has no probes."""
        shared = self._shared("probes")
        return [] if shared is None else read(shared, self.changes)

    @cached_property
    def deliveries(self) -> list[Finding]:
        """Both after each delivery, from `after_deliveries`; empty where a run has no such study."""
        shared = self._shared("deliveries")
        return [] if shared is None else after_deliveries(shared)

    @cached_property
    def other_images(self) -> list[Finding]:
        """Both on images of other sources, from `on_other_images`; empty where a run has no study `transfer`."""
        first, second = self.studies("transfer")
        if first is None or second is None:
            return []
        imitates = [str(result.about["parameters"].get("imitates", "")) for result in (first, second)]
        return on_other_images(self.pair, (first.table, second.table), (imitates[0], imitates[1]))

    @cached_property
    def explanations(self) -> list[SideBySide]:
        """The findings on explanations that both have, by key."""
        pairs = []
        for name in TRUST:
            first, second = (reader(name) for reader in self.readers)
            if first is None or second is None:
                continue
            title = str(first.about.get("title") or name)
            others = {finding.key: finding for finding in second.findings}
            pairs += [
                SideBySide(name, title, finding, others[finding.key])
                for finding in first.findings
                if finding.key in others
            ]
        return pairs

    def studies(self, name: str) -> tuple[StudyResult | None, StudyResult | None]:
        """Return a study of each run; None where it has none, or one without what is compared."""
        needed = {"fingerprint", "depends"} if name == "transfer" else {"id", WEIGHT}
        first, second = (
            result if (result := reader(name)) is not None and needed <= set(result.table) else None
            for reader in self.readers
        )
        return first, second

    def _shared(self, name: str) -> Shared | None:
        first, second = self.studies(name)
        return None if first is None or second is None else share_rows(self.pair, first.table, second.table)


def as_row(finding: Finding, name: str) -> dict[str, object]:
    """Return the measures of both runs as one row for a chart: `name`, `value`, `images`, and the ends of both."""
    other = finding.measure if finding.control is None else finding.control.measure
    ends = {
        f"{side}_{end}": getattr(measure, end)
        for side, measure in (("first", finding.measure), ("second", other))
        for end in ("value", "low", "high")
    }
    return {"name": name, "value": name, "images": finding.measure.n, **ends}


def elsewhere(compared: Sequence[Comparison]) -> str:
    """Write what several detectors get right after deliveries and on other images as Markdown, a column for each run.

    A share in bold differs from the first run's, and one in italics depends on how it is measured. Rows in which the
    first run was not compared with all the others on the same images are left out.

    Args:
        compared: the first run with each of the others, one or more.

    Raises:
        StudyError: nothing was measured on the same pictures by all of them.
    """
    rows: list[Mapping[str, Finding]] = [
        {finding.subject: finding for finding in (*those.deliveries, *those.other_images)} for those in compared
    ]
    # another sample gives another interval
    common = [
        name
        for name, finding in rows[0].items()
        if all(name in row and row[name].measure == finding.measure for row in rows)
    ]
    if not common:
        raise StudyError("these runs have no deliveries and no images of other sources in common")
    names = told_apart([compared[0].pair.first, *(those.pair.second for those in compared)])
    cells = [
        [name, format_measure(rows[0][name].measure, "share"), *(_marked(row[name]) for row in rows)] for name in common
    ]
    return markdown(pd.DataFrame(cells, columns=["images", *(f"`{name}` right" for name in names)]))


def _marked(finding: Finding) -> str:
    mark = {"holds": "**", "depends": "_", "in part": "_"}.get(claim_status(finding).kind, "")
    other = finding.measure if finding.control is None else finding.control.measure
    return f"{mark}{format_measure(other, 'share')}{mark}"
