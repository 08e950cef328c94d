"""The words of the study of cues (`core.studies.cues`)."""

from collections.abc import Sequence

from core.findings.claims import claim_status
from core.findings.finding import Finding, find
from core.findings.lines import Line, line, listed
from core.findings.numbers import bare, percent, share
from core.findings.words.say import say
from core.findings.words.told import Told

# a cue within this much accuracy (0 to 1) of whole images counts as nearly as good
NEARLY = 0.02


def tell(finding: Finding) -> Told:
    """A finding about a cue in words."""
    if finding.details["version"] == "labels":
        answer = say(finding, "Trained on shuffled labels, networks are right on {measure} of images.")
        return Told(answer, standing=Line())
    answer = say(finding, "From {keeps} alone, networks tell {REAL} from {FAKE} in {measure} of images.")
    stands = claim_status(finding)
    how = (
        "Significantly more than {control_name}, {control}"
        if stands.sign > 0
        else "Not significantly more than by chance"
    )
    how += ", and than guessing." if stands.sign > 0 and finding.choices else "."
    few = "" if finding.details["seeds"] > 1 else " The interval is over images only: there is one network."
    return Told(answer, say(finding, how + few), standing=Line())


def overall(findings: Sequence[Finding]) -> Line:
    """Which cues have nearly everything, and which hardly anything, in one sentence from all findings."""
    every, cues = find(findings, "cue-everything"), [one for one in findings if not one.details["is_control"]]
    if every is None or not cues:
        return Line()
    first = line("From whole images, small networks are right on {all}", all=share(every.measure))
    alone = [_named(one) for one in cues if one.measure.value > every.measure.value - NEARLY]
    less = [_named(one) for one in cues if claim_status(one).sign <= 0]
    parts = first
    if alone:
        parts += line("; about as often from {alone}", alone=listed(alone[:3]))
    else:
        parts += line("; from no cue alone about as often, most from {best}", best=_named(cues[0]))
    if len(cues) == 1 and not less:
        parts += line(", still more than by chance")
    elif less:
        parts += line("; not significantly more often than by chance from {less}", less=listed(less[:3]))
    else:
        parts += line("; least from {worst}, still more than by chance", worst=_named(cues[-1]))
    return parts + line(".")


def _named(finding: Finding) -> Line:
    number = bare(percent(finding.measure.value))
    return line("“{title}” ({number})", title=str(finding.details["title"]), number=number)
