"""A study on a page: its findings, what its file lacks, its numbers as files; and what a detector can know."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pandas as pd
import streamlit as st

from core.console import PROGRAM, quote
from core.detectors.identity import DetectorHandle
from core.detectors.manifest import OLD_SIDE
from core.storage import ContractError
from core.studies.store import StudyResult, study_path
from core.studies.study import STUDIES, StudyError, find_study
from dashboard import library
from dashboard.components.component import fold
from dashboard.components.downloads import csv_button
from dashboard.components.findings import finding_table
from dashboard.components.plain import code, plain, with_code
from dashboard.library import Opened
from dashboard.visitors import for_visitors

# so many images are enough for intervals of a few hundredths
ENOUGH = 1000
# quick on any number of images, or of other images than the run's
QUICK = ("audit", "clusters", "duplicates", "files", "transfer")
# of detectors that give predictions only these cannot be made
NEED_LAYERS = frozenset({"agreement", "sanity", "truth", "clusters", "neighbours"})
# of a table of scores only these can be made
NEED_NO_DETECTOR = frozenset({"audit", "duplicates", "files"})
ABOUT = ["id", "name", "label", "predicted", "margin"]
# findings of the study `transfer` that say most
RATES = ("large", "imitations", "photographs", "filters_large", "filters_photographs")


def command(opened: Opened, *names: str, there: bool = False) -> str:
    """Return the command that makes studies of this run or, where they are `there`, adds what their files lack."""
    # what the command finds by itself is CIFAKE
    own = opened.run.images is None and not opened.run.manifest["set"].startswith("cifake")
    data = " --data DATA" if own else ""
    some = f" --images {ENOUGH}" if len(opened.run) > ENOUGH and not (there or set(names) <= set(QUICK)) else ""
    some += " --only-missing" if there else ""
    return f"{PROGRAM} study {' '.join(names)} --run {quote(opened.run.name)}{data}{some}"


def readable(opened: Opened, name: str, *, concluded: bool = True) -> StudyResult | None:
    """Read a study of the run; None where there is none, and where it cannot be read, which is then reported.

    Args:
        opened: the run.
        name: of the study.
        concluded: whether its findings must be there too.
    """
    try:
        result = library.study_of(opened, name)
        if result is not None and concluded:
            _ = result.findings
        return result
    except ContractError as error:
        refused(error)
        return None


def study_of(opened: Opened, name: str, *others: str) -> StudyResult | None:
    """Read a study of the run; where that is impossible, draw a sentence that says how to make it, and `others`."""
    if study_path(opened.run.path, name).is_file():
        return readable(opened, name)
    run = plain(opened.run.name)
    sentence = f"This cannot be measured for {run}, whose detector gives predictions only."
    if opened.run.scores_only and name not in NEED_NO_DETECTOR:
        sentence = f"This cannot be measured for {run}: it needs the detector, and there are only its scores."
    elif name not in NEED_LAYERS or opened.run.maps is not None:
        again = code(command(opened, name, *others))
        sentence = f"This has not been measured for {run} yet. To do so, run {again} and reload this page."
    st.info(sentence, icon=":material/science:")
    return None


@contextmanager
def study_fold(
    opened: Opened, name: str, question: str, *, explained: str, help: str | None = None
) -> Iterator[StudyResult | None]:
    """Draw a folded part of a page about a study: its findings, and what the page draws beneath them.

    Args:
        opened: the run.
        name: of the study, and of the part in the address.
        question: the title.
        explained, help: as for `fold`.

    Yields:
        The study, where the part is open and there is one; else there is nothing left to draw.
    """
    headline = "Not measured yet."
    try:
        if answer := library.study_of(opened, name):
            headline = next((finding.headline for finding in answer.findings), "")
    except ContractError:
        headline = "The file cannot be read."
    with fold(name, question, plain(headline), explained=explained, help=help) as is_open:
        found = study_of(opened, name) if is_open else None
        if found is not None:
            finding_table(found.findings)
        yield found


def all_there(opened: Opened, names: Sequence[str]) -> dict[str, StudyResult]:
    """Read the studies among `names` that this run has and that can be read."""
    results = {}
    for name in names:
        # the part of the page that is about it says what is wrong with it
        with suppress(ContractError):
            results[name] = library.study_of(opened, name)
    return {name: result for name, result in results.items() if result is not None}


def refused(error: ContractError | StudyError) -> None:
    """Say why a study cannot be shown."""
    st.error(with_code(for_visitors(error)))


def study_files(
    opened: Opened, answer: StudyResult, *, key: str, summary: Callable[[], pd.DataFrame] | None = None
) -> None:
    """Draw how a study was made, and buttons for its table beside names and verdicts, and for a summary."""
    about = answer.about
    # a study of the whole set has all of its columns, or is refused
    name = str(about["study"])
    columns = () if about.get("whole") or name not in STUDIES else find_study(name).missing(answer.table)
    if columns:
        only = code(command(opened, name, there=True))
        st.caption(f":material/science: {len(columns):,} columns are not computed yet. {only} computes only these.")
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about.get("parameters", {}).items())
    of = f"{about['images']:,} of {about['of']:,} images" if "of" in about else f"{len(answer.table):,} rows"
    made = str(about.get("created", "")).partition("T")[0]
    st.caption(plain(f"{of}; control: {about.get('control', '')} Settings: {settings or 'none'}. Made {made}."))
    name, table = f"{opened.run.name}-{name}", answer.table
    with st.container(horizontal=True, gap="small"):
        if summary is not None:
            csv_button("Summary (CSV)", summary, f"{name}-summary.csv", key=f"{key}.summary")
        # where it has a row an image, beside names, labels and verdicts
        beside = lambda: opened.table[ABOUT].merge(table, on="id", suffixes=("", "_of_study"))  # noqa: E731
        csv_button("Every image (CSV)", beside if "id" in table else table, f"{name}.csv", key=f"{key}.csv")


def draw_limits(detector: DetectorHandle | None = None) -> None:
    """Draw what a detector has seen, and how often it errs beyond that as far as measured; None for no detector."""
    with st.container(border=True):
        st.markdown(
            f"**What this detector can know.** {_seen(detector)} On other pictures it still says REAL or FAKE, and "
            "often sounds sure. Its verdict is not evidence about any real-world picture, and must not be used against "
            "anyone."
        )
        if detector is None:
            return
        try:
            result = library.study_by(detector.identity, "transfer")
            findings = [] if result is None else [one for one in map(result.finding, RATES) if one is not None]
        except ContractError as error:
            st.caption(with_code(for_visitors(error)))
            return
        if findings:
            finding_table(findings)
        else:
            st.caption("How often it errs on such pictures has not been measured for this detector.")


def _seen(detector: DetectorHandle | None) -> str:
    """Say what a detector was trained on, and what not, as far as that is known."""
    trained_on = "cifake-train" if detector is None else str(detector.manifest.get("training_set", ""))
    side = OLD_SIDE if detector is None else detector.about.side
    if not trained_on:
        return "What it was trained on is not known here."
    if trained_on.startswith("sample"):
        seen = f"{side} x {side} crops of five photographs and one small generator's redrawings of them"
    elif trained_on.startswith("cifake"):
        seen = (
            f"{side} x {side} photographs of ten kinds of things and the pictures that one image generator made of the "
            "same things"
        )
    else:
        return f"It has seen the {side} x {side} images of {plain(trained_on)}, and nothing else."
    return f"It has seen {seen}, and nothing else: never another generator, a screenshot or a drawing."
