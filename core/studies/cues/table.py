"""The results as a Markdown table, a row a version."""

from core.findings.finding import Finding
from core.findings.numbers import percent, share
from core.studies.cues.results import Results
from core.studies.cues.summary import conclude

HEAD = (
    "what is kept", "accuracy when trained and tested on it", "trained on everything, tested on it",
    "trained on it, tested on everything", "networks",
)  # fmt: skip


def markdown_table(results: Results) -> str:
    """Write every version that networks were trained on, most telling first, controls at the end."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    lines += [f"| {' | '.join(_row(one))} |" for one in conclude(results)]
    return "\n".join(lines)


def _row(one: Finding) -> list[str]:
    about = one.details
    name = f"{about['title']}: {about['keeps']}"
    crossed = [one.beside.get(key) for key in ("read_by_everything", "reads_everything")]
    if about["version"] == "everything":
        crossed = [None, None]
    shown = ["" if measure is None else percent(measure.value) for measure in crossed]
    return [name.replace("|", "\\|"), str(share(one.measure, 1)), *shown, str(about["seeds"])]
