"""Which explanation holds for which of two detectors: the same findings of the trust studies side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.findings.claims import ClaimStatus, claim_status
from core.findings.finding import Finding
from core.studies.result import StudyResult

# the studies of explanations, in the order in which they are told
TRUST = ("faithfulness", "agreement", "stability", "certainty", "sanity", "one_colour")


@dataclass(frozen=True)
class SideBySide:
    """One finding of both runs; each measured on images of its own sample.

    Attributes:
        study, title: its name and title.
        first, second: of the same key.
    """

    study: str
    title: str
    first: Finding
    second: Finding

    @property
    def standings(self) -> tuple[ClaimStatus, ClaimStatus]:
        """How both stand."""
        return claim_status(self.first), claim_status(self.second)

    @property
    def alike(self) -> bool:
        """True where both are claimed or not, and in one direction."""
        first, second = self.standings
        return (first.kind, first.sign) == (second.kind, second.sign)


def explanations_of(first: Mapping[str, StudyResult], second: Mapping[str, StudyResult]) -> list[SideBySide]:
    """The findings on explanations that the studies of both runs have, by key.

    Args:
        first, second: studies of each run by name, whose findings can be made.
    """
    found = []
    for name in (name for name in TRUST if name in first and name in second):
        others = {one.key: one for one in second[name].findings}
        title = str(first[name].about.get("title") or name)
        found += [SideBySide(name, title, one, others[one.key]) for one in first[name].findings if one.key in others]
    return found
