"""A study on a page: its findings, how it is made, its numbers as files; and what a detector can know.

Streamlit lacks a table whose rows open, and bars with an interval and a control beneath: its progress columns have one
value each. Both are plain HTML.
"""

import atexit
import html
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from core.console import PROGRAM, join, one_direction
from core.detectors.identity import DetectorHandle
from core.detectors.known import caution_of
from core.detectors.manifest import OLD_SIDE
from core.findings.answer import answer_of
from core.findings.contrast import Contrast, Finding
from core.findings.numbers import percent
from core.findings.table import FindingTable
from core.homes import ROOT
from core.images.labels import CLASS_COLOURS, GREY
from core.images.sources import remembered
from core.storage.atomic import cache_dir
from core.storage.limits import ContractError
from core.studies.store import StudyResult, study_path
from core.studies.study import ENOUGH, StudyError, find_study
from dashboard import library
from dashboard.components.component import csv_button, fold, opens_all
from dashboard.components.words import code, explain, plain, with_code
from dashboard.library import Opened
from dashboard.visitors import for_visitors, is_local

ABOUT = ["id", "name", "label", "predicted", "margin"]
# findings of the study `out_of_distribution` that say most
RATES = ("large", "imitations", "photographs", "filters_large", "filters_photographs")
STYLE = f"<style>{Path(__file__).with_name('findings.css').read_text('utf-8')}</style>"


class Bar(NamedTuple):
    """A share to draw as a bar.

    Attributes:
        label: what it is a share of.
        share: 0 to 1.
        colour: of the bar, "#rrggbb"; grey for a control.
    """

    label: str
    share: float
    colour: str = GREY


def draw_bars(bars: Iterable[Bar]) -> None:
    """Draw shares as labelled bars, a row each."""
    shown = list(bars)
    rows = [
        f'<div class="bar"><span>{html.escape(one_direction(bar.label))}</span><span class="track">'
        f'<i style="width:{100 * bar.share:.1f}%;background:{bar.colour}"></i></span>'
        f"<b>{percent(bar.share, 0)}</b></div>"
        for bar in shown
    ]
    widest = max((len(bar.label) for bar in shown), default=0)
    st.html(f'{STYLE}<div class="bars" style="--label:{widest / 2:.0f}em">{"".join(rows)}</div>')


def bars_of(found: Finding | Contrast, label: str, verdict: str, control: str = "control") -> list[Bar]:
    """Return the bars of a finding, or a contrast, in shares: the effect in the colour of a class, and its control."""
    bars = [Bar(label, found.measure.value, CLASS_COLOURS[verdict])]
    if found.control is not None:
        bars.append(Bar(control or found.control.name, found.control.measure.value))
    return bars


def finding_table(findings: Iterable[Finding], *, only: str = "") -> None:
    """Draw findings, a row each: question, effect and control as bars, n, answer; a row opens on its contrasts.

    Args:
        findings: to draw.
        only: what the keys of those that are drawn begin with.
    """
    shown = [finding for finding in findings if finding.key.startswith(only)]
    if not shown:
        st.caption("These images allow no conclusion.")
        return
    st.html(FindingTable(shown, is_open=opens_all()).__html__())


def command(opened: Opened, *names: str) -> str:
    """Return the command that makes studies of this run."""
    return f"{PROGRAM} {join(_words(opened, *names))}"


def _words(opened: Opened, *names: str) -> tuple[str, ...]:
    words = ["study", *names, "--run", opened.run.name]
    if not _is_at_hand(opened):
        words += ["--data", "DATA"]
    if len(opened.run) > ENOUGH and not all(find_study(name).is_of_all for name in names):
        words += ["--images", str(ENOUGH)]
    return tuple(words)


def _is_at_hand(opened: Opened) -> bool:
    """Whether commands find the images of a run by themselves."""
    manifest = opened.run.manifest
    is_cifake = manifest["set"].startswith("cifake")
    return opened.run.images is not None or is_cifake or remembered(manifest["set_fingerprint"]) is not None


def readable(opened: Opened, name: str) -> StudyResult | None:
    """Read a study of the run, concluded; None where there is none, and where it cannot be read, which is reported."""
    try:
        result = library.study_of(opened, name)
        if result is not None:
            # it may be refused only when it is concluded
            _ = result.findings
    except ContractError as error:
        refused(error)
        return None
    return result


def study_of(opened: Opened, name: str, *others: str) -> StudyResult | None:
    """Read a study of the run; where that is impossible, draw a sentence that says how to make it, and `others`."""
    if study_path(opened.run.path, name).is_file():
        return readable(opened, name)
    run = plain(opened.run.name)
    lacking = find_study(name).lacking(opened.run)
    if lacking:
        st.info(plain(f"This cannot be measured: {lacking}."), icon=":material/science:")
        return None
    again = code(command(opened, name, *others))
    st.info(
        f"This has not been measured for {run} yet. To do so, run {again} and reload this page.",
        icon=":material/science:",
    )
    if is_local() and _is_at_hand(opened):
        recommended = ("study", opened.run.name, "--recommended")
        draw_maker(name, {"Measure this": _words(opened, name, *others), "Measure all that pages show": recommended})
    return None


class Maker:
    """The process that makes studies at a press of a button, one for all visitors at this machine.

    Attributes:
        words: of the command that was started last, after the program's name.
    """

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = cache_dir() / f"study-{os.getpid()}.log"
        atexit.register(self.cancel)

    @property
    def busy(self) -> bool:
        """True while a command runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def line(self) -> str:
        """What the command printed last."""
        return "".join(self._log.read_text("utf-8", errors="replace").splitlines()[-1:]) if self._process else ""

    @property
    def problem(self) -> str:
        """One sentence on why the last command ended without a result; "" where it did not, and after `cancel`."""
        return self.line if self._process is not None and (self._process.poll() or 0) > 0 else ""

    def start(self, words: tuple[str, ...]) -> None:
        """Start the command of these words; nothing happens while another runs."""
        if self.busy:
            return
        self.words = words
        command = [sys.executable, "-m", "core", *words]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - no shell
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def cancel(self) -> None:
        """End the command; the shards that it has finished are kept."""
        if self._process is not None:
            self._process.terminate()


@st.cache_resource(show_spinner=False)
def the_maker() -> Maker:
    """Return the process that makes studies."""
    return Maker()


def draw_maker(key: str, commands: Mapping[str, tuple[str, ...]]) -> None:
    """Draw a button for each command that makes studies or, while one is made, how far it is.

    Args:
        key: of the widgets.
        commands: label -> the command's words after the program's name.
    """
    st.fragment(_draw_maker, run_every=2.0 if the_maker().busy else None)(key, commands)


def _draw_maker(key: str, commands: Mapping[str, tuple[str, ...]]) -> None:
    maker = the_maker()
    is_new = f"making.{key}"
    if maker.busy:
        st.session_state[is_new] = True
        share = re.search(r"(\d+)%", line := maker.line)
        st.progress(int(share[1]) / 100 if share else 0.0, text=plain(line or "Starting"))
        st.button("Cancel", key=f"{key}.cancel", on_click=maker.cancel)
        return
    if st.session_state.pop(is_new, False):
        # what was made is elsewhere on the page, too
        st.rerun()
    if maker.words in commands.values() and (problem := maker.problem):
        st.error(with_code(for_visitors(problem)))
    with st.container(horizontal=True):
        for label, words in commands.items():
            if st.button(label, key=f"{key}.{label}"):
                maker.start(words)
                st.rerun()


def draw_study(
    opened: Opened,
    name: str,
    question: str,
    explained: str,
    terms: Sequence[str],
    *,
    beneath: Callable[[StudyResult], None] | None = None,
) -> None:
    """Draw a folded part of a page about a study: its findings, what else the page draws of it, and its files.

    Args:
        opened: the run.
        name: of the study, and of the part in the address.
        question: the title.
        explained: what it shows and how that was measured.
        terms: of the glossary.
        beneath: draws what stands beneath the findings.
    """
    summary = "Not measured yet."
    try:
        answer = library.study_of(opened, name)
        if answer is not None:
            # "3 yes, 1 depends"
            words = Counter(answer_of(finding).word for finding in answer.findings)
            summary = ", ".join(f"{count} {word}" for word, count in words.items() if word != "no control")
    except ContractError:
        summary = "The file cannot be read."
    with fold(name, question, plain(summary), explained=explained, help=explain(*terms)) as is_open:
        if is_open and (found := study_of(opened, name)) is not None:
            finding_table(found.findings)
            if beneath is not None:
                beneath(found)
            study_files(opened, found, key=f"study.{name}")


def refused(error: ContractError | StudyError) -> None:
    """Say why a study cannot be shown."""
    st.error(with_code(for_visitors(error)))


def study_files(opened: Opened, answer: StudyResult, *, key: str) -> None:
    """Draw how a study was made, and the button for its table beside names and verdicts."""
    about = answer.about
    table = answer.table
    st.caption(plain(_made_words(about, len(table))))
    # where it has a row an image, beside names, labels and verdicts
    beside = partial(opened.table[ABOUT].merge, table, on="id", suffixes=("", "_of_study"))
    name = f"{opened.run.name}-{about['study']}.csv"
    csv_button("Every image (CSV)", beside if "id" in table else table, name, key=f"{key}.csv")


def _made_words(about: Mapping[str, Any], rows: int) -> str:
    """Say in sentences how a study was made, and what its control is; `rows` as of its table."""
    of = f"{about['images']:,} of {about['of']:,} images" if "of" in about else f"{rows:,} rows"
    made = str(about.get("created", "")).partition("T")[0]
    sentences = [f"{of} were measured on {made}."]
    control = str(about.get("control", "")).rstrip(".")
    if control.startswith("none"):
        sentences.append(f"There is no control{control.removeprefix('none')}.")
    elif control:
        sentences.append(f"This is the control: {control}.")
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about.get("parameters", {}).items())
    if settings:
        sentences.append(f"The settings were {settings}.")
    if "precision" in about:
        sentences.append(f"The detector computed in {about['precision']}.")
    return " ".join(sentences)


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
            result = library.study_by(detector.identity, "out_of_distribution")
            findings = [] if result is None else [one for one in map(result.finding, RATES) if one is not None]
        except ContractError as error:
            st.caption(with_code(for_visitors(error)))
            return
        caution = caution_of(detector.manifest)
        if caution:
            st.markdown(f"**On ordinary pictures.** {caution}")
        if findings:
            finding_table(findings)
        elif not caution:
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
