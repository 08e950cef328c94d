"""The words of the study `clusters`."""

from core.findings.finding import Finding
from core.findings.lines import line
from core.findings.numbers import percent, share
from core.findings.words.told import Told

# mean silhouettes up to these have so clear edges (Kaufman and Rousseeuw 1990, table 4 of chapter 2)
CLEARNESS = {
    0.25: "no clear edges, so they are regions rather than kinds",
    0.50: "weak edges",
    0.70: "fair edges",
    1.00: "clear edges",
}


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    return _number(finding) if finding.quantity == "silhouette" else _worst(finding)


def _worst(finding: Finding) -> Told:
    verdict, space = str(finding.group), finding.details["space"]
    overall = percent(finding.control.measure.value) if finding.control else "unknown"
    if not finding.measure.known:
        return Told(
            line(
                "By {space}, no cluster of {verdict} verdicts certainly errs more than the {n} of all {verdict} "
                "verdicts.",
                space=space, verdict=verdict, n=overall,
            )
        )  # fmt: skip
    answer = line(
        "By {space}, {verdict} verdicts go wrong most in cluster {cluster} ({n} images): {share} are wrong.",
        space=space, verdict=verdict, cluster=str(finding.details["cluster"]), n=finding.measure.n,
        share=share(finding.measure, 1),
    )  # fmt: skip
    return Told(answer, line("Of all {verdict} verdicts it is {n}.", verdict=verdict, n=overall))


def _number(finding: Finding) -> Told:
    value = finding.measure.value
    answer = line(
        "By {space}, {verdict} verdicts fall into {clusters} clusters with {edges}: mean silhouette {value} of 1 "
        "({n} images).",
        space=finding.details["space"], verdict=str(finding.group), clusters=str(finding.details["clusters"]),
        edges=next((words for most, words in CLEARNESS.items() if value <= most), "unknown edges"),
        value=f"{value:.2f}", n=finding.measure.n,
    )  # fmt: skip
    control = line("")
    if finding.control is not None:
        bar = f"{finding.control.measure.value:.2f}"
        control = line("In {name} it is {value}.", name=finding.control.name, value=bar)
    return Told(answer, control)
