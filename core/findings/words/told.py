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
        standing: whether it is claimed, and on what it depends; empty where the answer says so, None where nobody has
            said it yet.
        question: that it answers, "" where a heading asks it already.
        label: what its number is a share of, beneath a large number.
        number: that large number, "" where it is the measure itself.
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
