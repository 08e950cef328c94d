"""The answer of a study as its file holds it, with its findings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from core.console import quote
from core.findings.finding import Finding, find, read_findings
from core.runs.run import Run
from core.storage import ContractError
from core.studies.registry import STUDIES, conclude_study, find_study

# raised when a study concludes otherwise, or the claim rule or a headline changes: stored findings are made again then
RULE = 1
# key of the stored findings among what a file says of itself
CONCLUDED = "conclusions"


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study as read from its file.

    Attributes:
        path: its file.
        table: its rows.
        about: everything that the file says of itself: `study`, `title`, `question`, `columns`, `control`,
            `parameters`, `explore`, hashes, versions, `images`, `seconds`.
        run: that it was asked of; None where it was read without one, and then nothing is concluded.
    """

    path: Path
    table: pd.DataFrame
    about: Mapping[str, Any]
    run: Run | None = None

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Its findings, most telling first, as the file holds them; an older file has none, and they are concluded.

        Raises:
            ContractError: the values lack what is concluded from.
        """
        stored = self.about.get(CONCLUDED, {})
        if self.run is None or stored.get("rule") != RULE:
            return self.concluded()
        try:
            return tuple(read_findings(stored["findings"]))
        except ValueError as error:
            command = f"python -m core study --conclude {self.about['study']} --run {quote(self.run.name)}"
            raise ContractError(f"{self.path} holds other findings than it may; run `{command}`") from error

    def concluded(self) -> tuple[Finding, ...]:
        """Conclude again from the values.

        Raises:
            ContractError: the values lack what is concluded from.
        """
        if self.run is None:
            return ()
        try:
            return tuple(conclude_study(str(self.about["study"]), self.run, self.table, self.about["parameters"]))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            lacking = isinstance(error, KeyError)
            lacks = f"has no column {error}" if lacking else "holds values of another form"
            name = self.about["study"]
            command = f"python -m core study {name} --run {quote(self.run.name)}"
            again = f"make it again with `{command}{' --only-missing' if lacking else ''}`"
            raise ContractError(f"{self.path} {lacks}, from which the study {name} concludes; {again}") from error

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The declared columns that the file lacks; a study of a whole set has all of its columns or is refused."""
        name = str(self.about["study"])
        return () if name not in STUDIES or self.about.get("whole") else tuple(find_study(name).missing(self.table))

    def finding(self, key: str) -> Finding | None:
        """The finding of this key, None where it has none."""
        return find(self.findings, key)
