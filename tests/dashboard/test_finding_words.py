"""Findings on a page: what is marked, and what a name cannot do."""

from core.findings.finding import Measure
from core.findings.lines import line
from core.findings.numbers import share
from dashboard.components.study import coloured, markdown, strong


def test_numbers_are_bold_intervals_grey_and_classes_coloured() -> None:
    one = line("{n} of {verdict} verdicts.", n=share(Measure(0.966, 0.962, 0.969)), verdict="FAKE")
    assert markdown(one) == "**96.6%** :gray[(96.2 to 96.9%)] of :orange[**FAKE**] verdicts."
    assert strong(one) == "**96.6% (96.2 to 96.9%) of :orange[FAKE] verdicts.**"


def test_a_name_is_no_markup() -> None:
    one = line("Of {name} 3.", name="my_*set* [a](b) $x$ <i>")
    assert markdown(one) == r"Of my\_\*set\* \[a\]\(b\) \$x\$ \<i\> 3.".replace(r"\(", "(").replace(r"\)", ")")


def test_sentences_about_an_image_are_coloured_too() -> None:
    assert coloured("REAL, not FAKER") == ":blue[**REAL**], not FAKER"
