"""The words of the study `clusters`."""

from core.findings.claims import Sign, claim_status
from core.findings.finding import Finding
from core.findings.lines import Line
from core.findings.words.say import say
from core.findings.words.told import Told

# mean silhouettes up to these have so clear edges (Kaufman and Rousseeuw 1990, table 4 of chapter 2)
CLEARNESS = {
    0.25: "no clear edges, so they are regions rather than kinds",
    0.50: "weak edges",
    0.70: "fair edges",
    1.00: "clear edges",
}

# by the certain sign of a cluster's errors beyond those that its margins predict
RESTATED: dict[Sign, str] = {
    1: "errs more often than verdicts with equal margins do",
    0: "errs as often as verdicts with equal margins do",
    -1: "errs less often than verdicts with equal margins do",
}


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    if finding.quantity == "silhouette":
        value = finding.measure.value
        edges = next((words for most, words in CLEARNESS.items() if value <= most), "unknown edges")
        if finding.control is not None and value <= finding.control.measure.value:
            edges = "no clearer edges than a cloud without clusters has"
        answer = say(
            finding,
            "By {space}, {group} verdicts fall into {clusters} clusters with {edges}: mean silhouette {measure:plain} "
            "of 1 ({n} images).",
            edges=edges,
        )
        return Told(answer, say(finding, "In {control_name} it is {control:plain}.") if finding.control else Line())
    if not finding.measure.known:
        no = "By {space}, no cluster of {group} verdicts errs significantly more than the {overall:percent} of all "
        return Told(say(finding, no + "{group} verdicts."))
    answer = say(
        finding,
        "By {space}, {group} verdicts go wrong most in cluster {cluster} ({n} images): {measure:share.1} are wrong.",
    )
    overall = "Of all {group} verdicts {overall:percent} are wrong, of {control_name} {control:share.1}."
    return Told(answer, say(finding, overall), standing=restated(finding))


def restated(finding: Finding) -> Line:
    """Whether a cluster's errors say more than its margins do."""
    return say(finding, "It {restates}: {difference:points}.", restates=RESTATED[claim_status(finding).sign])
