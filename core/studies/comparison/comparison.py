"""A comparison of two runs: each part is computed when it is first asked for. Needs no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from core.findings.finding import Finding
from core.studies.comparison.elsewhere import after_deliveries, on_other_images
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
        tables = self._tables("deliveries")
        return [] if tables is None else after_deliveries(share_rows(self.pair, *tables))

    @cached_property
    def other_images(self) -> list[Finding]:
        """Both on images of other sources, from `on_other_images`; empty where a run has no study `transfer`."""
        tables = self._tables("transfer")
        return [] if tables is None else on_other_images(self.pair, *tables)

    @cached_property
    def explanations(self) -> list[SideBySide]:
        """The findings on explanations that both have."""
        first, second = ({name: one for name in TRUST if (one := read_(name))} for read_ in self.readers)
        return explanations_of(first, second)

    @cached_property
    def _shared(self) -> Shared | None:
        tables = self._tables("probes")
        return None if tables is None else share_rows(self.pair, *tables)

    def _tables(self, name: str) -> tuple[pd.DataFrame, pd.DataFrame] | None:
        """The tables of a study of both runs; None where either has none."""
        first, second = (read_(name) for read_ in self.readers)
        return None if first is None or second is None else (first.table, second.table)
