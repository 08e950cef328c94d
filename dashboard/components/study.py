"""A study on a page: reading it or saying why not, what its file lacks, its findings, and its numbers as files."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from core.console import quote
from core.findings.finding import Finding
from core.findings.lines import Line, Span, joined
from core.findings.numbers import signed
from core.findings.words import tell
from core.storage import ContractError
from core.studies.groups import By
from core.studies.result import StudyResult
from core.studies.store import study_path
from dashboard import catalogue, library
from dashboard.components.downloads import file_button
from dashboard.components.fold import fold
from dashboard.components.plain import code, inline, plain, with_code
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.library import BY_STAMP, Opened
from dashboard.visitors import for_visitors

NOT_MEASURED = "Not measured yet."
PLAIN_CLASS_WORDS = {name: words.replace("*", "") for name, words in CLASS_WORDS.items()}


def card(one: Finding, *, brief: bool = False) -> None:
    """Draw a finding with its number large, where it has a label, above its sentences; `brief` makes these its help."""
    told = tell(one)
    sentences = markdown(joined([told.answer, told.control]))
    if told.label and one.measure.known:
        share = one.about.unit == "share"
        value = percent(one.measure.value, 0) if share else signed(one.measure.value)
        st.markdown(f"### {told.number or value}", help=sentences if brief else None)
        st.markdown(markdown(told.label))
        if brief:
            return
    st.caption(sentences)


def bullets(found: Iterable[Finding]) -> None:
    """Draw findings as a list of sentences."""
    st.markdown("\n".join(f"- {markdown(tell(one).full)}" for one in found))


def answers(found: Sequence[Finding]) -> Line:
    """What findings say of their first quantity, for each group."""
    return joined([tell(one).answer for one in found if one.quantity == found[0].quantity])


def markdown(one: Line) -> str:
    """A line with its numbers bold, its intervals grey, names of detectors as code and its classes in their colours."""
    return one.show(_marked)


def _marked(span: Span) -> str:
    if span.kind == "class":
        return CLASS_WORDS[span.text]
    if span.kind == "name":
        return code(span.text)
    text = inline(span.text)
    return {"number": f"**{text}**", "interval": f":gray[{text}]"}.get(span.kind, text)


def strong(one: Line) -> str:
    """A line all in bold, names of detectors as code and the classes in their colours."""
    return f"**{one.show(_plainly)}**"


def _plainly(span: Span) -> str:
    if span.kind == "class":
        return PLAIN_CLASS_WORDS[span.text]
    return code(span.text) if span.kind == "name" else inline(span.text)


def coloured(text: str) -> str:
    """The names of the classes in their colours, in a sentence about a single image."""
    return re.sub(r"\b(REAL|FAKE)\b", lambda found: CLASS_WORDS[found[1]], text)


# so many images are enough for intervals of a few hundredths
ENOUGH = 1000
# quick on any number of images, or of other images than the run's
QUICK = ("audit", "clusters", "duplicates", "files", "transfer")
# spreadsheets run a cell that begins like this as a formula; some settings also let `;`, tab, CR or LF start a cell
FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
# of detectors that give predictions only these cannot be made
NEED_LAYERS = frozenset({"faithfulness", "agreement", "stability", "sanity", "clusters", "neighbours"})
NOTHING_SAID = "Measured, but these images allow no conclusion."
Summary = Callable[..., pd.DataFrame]
# columns that are named where some are lacking
SHOWN = 4
NUMBER_NAMES = {"value": "value", "low": "95 % from", "high": "to", "images": "images"}


def command(opened: Opened, *names: str, there: bool = False) -> str:
    """Return the command that makes studies of this run or, where they are `there`, adds what their files lack."""
    # what the command finds by itself is CIFAKE
    own = opened.run.images is None and not opened.run.manifest["set"].startswith("cifake")
    data = " --data DATA" if own else ""
    some = f" --images {ENOUGH}" if len(opened.run) > ENOUGH and not (there or set(names) <= set(QUICK)) else ""
    some += " --only-missing" if there else ""
    return f"python -m core.studies {' '.join(names)} --run {quote(opened.run.name)}{data}{some}"


def readable(opened: Opened, name: str, title: str | None = None, *, concluded: bool = True) -> StudyResult | None:
    """Read a study of the run; None where there is none, and where it cannot be read, which is then reported.

    Args:
        opened: the run.
        name: of the study.
        title: above that sentence.
        concluded: whether its findings must be there too.
    """
    try:
        found = library.study_of(opened, name)
        if found is not None and concluded:
            _ = found.findings
        return found
    except ContractError as error:
        refused(error, title)
        return None


def study_of(opened: Opened, name: str) -> StudyResult | None:
    """Read a study of the run; where that is impossible, draw a sentence that says what to do."""
    found = readable(opened, name)
    if found is None and not is_there(opened, name):
        _not_measured(opened, name)
    elif found is not None:
        draw_lacking(opened, found)
    return found


@contextmanager
def study_fold(
    opened: Opened,
    name: str,
    question: str,
    tell: Callable[[Sequence[Finding]], Line],
    *,
    explained: str,
    help: str | None = None,
) -> Iterator[StudyResult | None]:
    """Draw a folded part of a page about a study, with what it comes to beside the question.

    Args:
        opened: the run.
        name: of the study, and of the part in the address.
        question: the title.
        tell: the answer, from the study's findings.
        explained, help: as for `fold`.

    Yields:
        The study, where the part is open and there is one; else there is nothing left to draw.
    """
    answer = readable(opened, name, question)
    if answer is None and is_there(opened, name):
        yield None
        return
    said = NOT_MEASURED if answer is None else NOTHING_SAID
    if answer is not None and answer.findings:
        said = markdown(tell(answer.findings))
    with fold(name, question, said, explained=explained, help=help) as is_open:
        if is_open and answer is None:
            _not_measured(opened, name)
        elif is_open and answer is not None:
            draw_lacking(opened, answer)
        yield answer if is_open else None


def _not_measured(opened: Opened, name: str) -> None:
    if name in NEED_LAYERS and opened.run.maps is None:
        st.info(
            f"This cannot be measured for {plain(opened.run.name)}, whose detector gives predictions only.",
            icon=":material/science:",
        )
        return
    st.info(
        f"This has not been measured for {plain(opened.run.name)} yet. To do so, run {code(command(opened, name))} "
        "and reload this page.",
        icon=":material/science:",
    )


def draw_lacking(opened: Opened, found: StudyResult) -> None:
    """Say that a study's file lacks columns, and how to compute only those; nothing where it is complete."""
    if columns := found.missing:
        more = f" and {len(columns) - SHOWN:,} more" if len(columns) > SHOWN else ""
        st.caption(
            f":material/science: {len(columns):,} columns have not been computed yet. "
            f"{code(command(opened, str(found.about['study']), there=True))} computes only these and keeps the rest.",
            help=f"{plain(', '.join(columns[:SHOWN]))}{more}.",
        )


def is_there(opened: Opened, name: str) -> bool:
    """Check whether the run has a file of this study, readable or not."""
    return study_path(opened.run.path, name).is_file()


def all_there(opened: Opened, names: Sequence[str]) -> dict[str, StudyResult]:
    """Read the studies among `names` that this run has and that can be read."""
    found = {}
    for name in names:
        try:
            answer = library.study_of(opened, name)
        except ContractError:
            # the part of the page that is about it says so
            continue
        if answer is not None:
            found[name] = answer
    return found


def summary(opened: Opened, answer: StudyResult, make: Summary, by: By) -> pd.DataFrame:
    """Summarise a study by a function of its module, such as `agreement_summary`; cached.

    Raises:
        ContractError: the study's file is of another version and lacks a column.
    """
    return _summary(opened.origin, answer, make, by)


@st.cache_resource(
    max_entries=256, show_spinner=False, hash_funcs=BY_STAMP | {FunctionType: lambda make: make.__qualname__}
)
def _summary(opened: Opened, answer: StudyResult, make: Summary, by: By) -> pd.DataFrame:
    try:
        return make(answer.table, opened.run, by=by)
    except KeyError as error:
        again = f"make it again with `{command(opened, answer.about['study'], there=True)}`"
        raise ContractError(f"{answer.path} has no column {error}, it is of another version; {again}") from error


def refused(error: ContractError, title: str | None = None) -> None:
    """Say why a study cannot be shown."""
    _titled(title)
    st.error(with_code(for_visitors(error, homes=catalogue.homes())))


def _titled(title: str | None) -> None:
    if title:
        st.markdown(f"**{title}**")


def cannot(sentence: str) -> None:
    """Draw what a study cannot show."""
    st.caption(f":material/visibility_off: What this cannot show: {sentence}")


def numbers(opened: Opened, answer: StudyResult, frame: pd.DataFrame, *, names: Mapping[str, str], key: str) -> None:
    """The findings and numbers behind a picture, and both them and the study as files.

    Args:
        opened: the run.
        answer: the study.
        frame: what is drawn.
        names: column of `frame` -> its heading; `NUMBER_NAMES` come after them.
        key: of the elements.
    """
    headings = {**names, **NUMBER_NAMES}
    shown = frame[list(headings)].rename(columns=headings)
    about = answer.about
    with st.expander("In full: every number, and where it is from", icon=":material/table:"):
        bullets(answer.findings)
        st.dataframe(shown, hide_index=True, alt=f"The numbers of {about['title']}")
        settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about["parameters"].items())
        st.caption(
            plain(
                f"{about['images']:,} of {about['of']:,} images, weighted up to the run; control: {about['control']} "
                f"Settings: {settings}. Made {about['created'].partition('T')[0]}."
            )
        )
        with st.container(horizontal=True):
            csv_button("These numbers (CSV)", shown, f"{opened.run.name}-{key}-numbers.csv", key=f"{key}.shown")
            csv_button("Every image (CSV)", answer.table, f"{opened.run.name}-{about['study']}.csv", key=f"{key}.all")


def csv_button(
    label: str, table: pd.DataFrame | Callable[[], pd.DataFrame], name: str, *, key: str, **options: Any
) -> None:
    """Draw a download button for a table, which is written (and built, if `table` is a function) on a press.

    Args:
        label: of the button.
        table: what is written, or what makes it.
        name: of the file.
        key: of the button.
        options: those of `st.download_button`.
    """
    file_button(
        label,
        lambda: as_csv(table() if callable(table) else table),
        file_name=name,
        mime="text/csv",
        key=key,
        **{"icon": ":material/download:", "type": "tertiary", **options},
    )


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV, with "'" before every text that a spreadsheet would run as a formula, headings included."""
    written = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    guarded = table.assign(**{name: table[name].astype(object).map(_guarded) for name in written})
    # with both letters in the line's end, a cell that holds one of them is quoted
    text: str = guarded.rename(columns=_guarded).to_csv(index=False, lineterminator="\r\n")
    # without the mark at its beginning, spreadsheets take it for another encoding
    return text.encode("utf-8-sig")


def _guarded(value: object) -> object:
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


if TYPE_CHECKING:
    # Overview takes a button from here, and needs none of the probes
    from dashboard.views.evidence_parts.setup import Evidence

ABOUT = ["id", "name", "label", "predicted", "margin"]


def evidence_downloads(opened: Opened, evidence: "Evidence") -> None:
    """Buttons for the rates that the charts draw, and for every image's answers."""
    with st.container(horizontal=True, gap="small"):
        csv_button(
            "Rates (CSV)",
            evidence.rates,
            f"{opened.run.name}-probes-rates.csv",
            key="evidence.csv.rates",
            help="Every share with its interval and its control's, the mean change of the margin, and the size of the "
            "change, by verdict and strength.",
        )
        csv_button(
            "Every image (CSV)",
            partial(with_predictions, opened, evidence.answer),
            f"{opened.run.name}-probes.csv",
            key="evidence.csv.images",
            help="A row an image: its margin after every change, and how large that change was.",
        )


def study_download(opened: Opened, answer: StudyResult) -> None:
    """A button for the table of a study."""
    study = str(answer.about["study"])
    csv_button(
        "Every image (CSV)",
        answer.table,
        f"{opened.run.name}-{study}.csv",
        key=f"evidence.csv.{study}",
        help="The whole table of this study.",
    )


def with_predictions(opened: Opened, answer: StudyResult) -> pd.DataFrame:
    """A study's table beside names, labels and verdicts."""
    return opened.table[ABOUT].merge(answer.table, on="id")
