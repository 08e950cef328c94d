"""A finding in words."""

from dataclasses import dataclass, field

from core.findings.lines import Line, joined


@dataclass(frozen=True)
class Told:
    """A finding as a reader meets it; each part stands for itself.

    Attributes:
        answer: what was found, with its number and interval.
        control: what it is compared with.
        aside: what else was measured.
        standing: whether it is claimed, and on what it depends; empty if the answer says so, None if `tell` is to add
            `standing_line`.
        question: the question that it answers, "" if a heading asks it already.
        label: caption of a large number: what the number is a share of.
        number: that large number, "" if it is the measure itself.
    """

    answer: Line
    control: Line = field(default_factory=Line)
    aside: Line = field(default_factory=Line)
    standing: Line | None = None
    question: str = ""
    label: Line = field(default_factory=Line)
    number: str = ""

    @property
    def whole(self) -> Line:
        """Answer, control and aside as running text."""
        return joined([self.answer, self.control, self.aside])

    @property
    def full(self) -> Line:
        """The same with the standing, before the aside."""
        return joined([self.answer, self.control, self.standing or Line(), self.aside])
