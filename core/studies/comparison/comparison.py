"""A comparison of two runs: each part is computed when it is first asked for. Needs no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from core.findings.finding import Finding
from core.studies.comparison.elsewhere import after_deliveries, are_groups, are_images, on_other_images
from core.studies.comparison.explanations import TRUST, SideBySide, explanations_of
from core.studies.comparison.findings import by, columns_of, conclude, outcome_rates
from core.studies.comparison.pair import Pair
from core.studies.comparison.reading import Shared, read, share_rows, side_by_side
from core.studies.result import StudyResult

# the study of this name, whose findings can be made; None where the run has none
Read = Callable[[str], StudyResult | None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs and their studies.

    Attributes:
        pair: the runs.
        readers: read a study of the first, and of the second.
        problems: a sentence for each study that is there and cannot be read.
    """

    pair: Pair
    readers: tuple[Read, Read]
    problems: tuple[str, ...] = ()

    @cached_property
    def findings(self) -> list[Finding]:
        """On the verdicts of both, from `conclude`."""
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
        return pd.DataFrame() if self._shared is None else side_by_side(self._shared)

    @cached_property
    def reads(self) -> list[Finding]:
        """What each reads, from `read`; empty where a run has no probes."""
        return [] if self._shared is None else read(self._shared, self.changes)

    @cached_property
    def deliveries(self) -> list[Finding]:
        """Both after each delivery, from `after_deliveries`; empty where a run has no such study."""
        first, second = self.studies("deliveries")
        if first is None or second is None:
            return []
        return after_deliveries(share_rows(self.pair, first.table, second.table))

    @cached_property
    def other_images(self) -> list[Finding]:
        """Both on images of other sources, from `on_other_images`; empty where a run has no study `transfer`."""
        first, second = self.studies("transfer")
        if first is None or second is None:
            return []
        imitates = [str(one.about["parameters"].get("imitates", "")) for one in (first, second)]
        return on_other_images(self.pair, (first.table, second.table), (imitates[0], imitates[1]))

    @cached_property
    def explanations(self) -> list[SideBySide]:
        """The findings on explanations that both have."""
        first, second = ({name: one for name in TRUST if (one := read_(name))} for read_ in self.readers)
        return explanations_of(first, second)

    @cached_property
    def _shared(self) -> Shared | None:
        first, second = self.studies("probes")
        return None if first is None or second is None else share_rows(self.pair, first.table, second.table)

    def studies(self, name: str) -> tuple[StudyResult | None, StudyResult | None]:
        """A study of each run whose values are compared; None where it has none, or one that lacks them."""
        is_fit = are_groups if name == "transfer" else are_images
        found = [read_(name) for read_ in self.readers]
        first, second = (None if one is None or not is_fit(one.table) else one for one in found)
        return first, second
