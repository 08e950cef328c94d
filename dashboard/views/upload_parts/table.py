"""Several uploads as a table: a row a file with its judgement, as CSV, each row opening its picture."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.images.decoding import ImageError, PassingError, pixels_sha256
from core.images.encoding import data_url
from core.images.upload import UNDETERMINED, Prepared, settle
from core.perturbations.postprocessing import DELIVERIES
from core.studies.judgement.judge import Judgement, Sent, judge
from core.studies.judgement.judging import reason, seen_by, sent_with
from dashboard.components.plain import plain, with_code
from dashboard.components.polling import poll
from dashboard.components.requests import Known, ask, visitor, worker
from dashboard.components.study import csv_button
from dashboard.components.words import remaining
from dashboard.jobs import SOON, JobStatus, Prediction, PredictRequest
from dashboard.library import known_of
from dashboard.views.upload_parts.uploads import end_if_settled, labels, look, origin_of_whole, read_all, ready_for

# seconds that one file's deliveries are waited for
PATIENCE = 60.0
TO_COME = "deliveries not tested"
# a row was just chosen
CHOSEN = "upload.row"


def draw_table(files: Sequence[UploadedFile], detector: Known) -> None:
    """A row a file, filled in as the answers come; a click on one explains it."""

    def choose() -> None:
        rows = st.session_state["upload.table"].selection.rows
        for row in rows if isinstance(rows, list) else ():
            # as the browser sent it
            if type(row) is int and 0 <= row < len(files):
                st.session_state["upload.chosen"] = files[row].file_id
                st.session_state[CHOSEN] = True

    def again() -> None:
        for number in range(len(files)):
            worker().go_on(visitor(), f"table.{number}")

    def draw() -> bool:
        if st.session_state.get("upload.deliver"):
            # the whole page: the progress of deliveries stands above this part
            st.rerun()
        if st.session_state.pop(CHOSEN, False) and st.session_state.get("busy.table"):
            # it is explained below this part
            st.rerun()
        names = labels(files)
        rows = [_row(file, names[file.file_id], detector, slot=f"table.{number}") for number, file in enumerate(files)]
        table = pd.DataFrame([row for row, _ in rows])
        st.dataframe(
            table,
            hide_index=True,
            # every row is there to be seen
            height="content",
            alt="What each file is called",
            key="upload.table",
            on_select=choose,
            selection_mode="single-row",
            # of what is no image nothing is known
            placeholder="—",
            column_config={
                "seen": st.column_config.ImageColumn("", width="small", help=f"What the detector sees: {size}."),
                "reason": st.column_config.TextColumn(width="large"),
                "p(REAL)": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
                "lowest margin": st.column_config.NumberColumn(format="%.2f"),
                "highest margin": st.column_config.NumberColumn(format="%.2f"),
            },
        )
        st.caption(
            "A click on a column's name sorts. Verdict, p(REAL) and margins are what the network computed, lowest and "
            "highest over the resampling filters. Tick a row to explain that file below."
        )
        standings = [standing for _, standing in rows if standing is not None]
        end_if_settled("table", any(standing.busy for standing in standings))
        with st.container(horizontal=True):
            if any(standing.state == "failed" for standing in standings):
                st.button("Try again", key="table.again", on_click=again, icon=":material/play_arrow:")
            _draw_buttons(table, detector)
        return any(standing.busy for standing in standings)

    size = f"{detector.about.side} x {detector.about.side} pixels"
    read_all(files, detector.about.preprocessing)
    if st.session_state.pop("upload.deliver", False):
        _deliver_all(files, detector)
    poll(draw, while_busy=bool(st.session_state.get("busy.table")))


def _draw_buttons(table: pd.DataFrame, detector: Known) -> None:
    waits = bool((table["judgement"] == TO_COME).any())
    if waits:
        st.button(
            "Test all deliveries",
            key="table.deliver",
            icon=":material/share:",
            # at once: the part may be drawn whole before it comes to this button
            on_click=lambda: st.session_state.update({"upload.deliver": True}),
        )
    written = table.drop(columns="seen", errors="ignore").assign(detector=detector.name)
    csv_button("As CSV", written, "judgements.csv", key="table.csv")


def _deliver_all(files: Sequence[UploadedFile], detector: Known) -> None:
    """Send every file that still needs it through all deliveries; an interruption loses only the file in progress."""
    kept: dict[Any, tuple[Sent, ...]] = st.session_state.setdefault("upload.delivered", {})
    started, bar = time.monotonic(), st.progress(0.0)
    # what failed before is tried again
    worker().go_on(visitor(), "table.deliver")
    for done, file in enumerate(files):
        left = f", {remaining((time.monotonic() - started) / done * (len(files) - done))}" if done else ""
        bar.progress(done / len(files), f"Delivering image {done + 1} of {len(files)}{left}")
        key = _key(file, detector)
        if key in kept:
            continue
        origin = origin_of_whole(file, detector.about.preprocessing)
        try:
            sent = [origin.send(one) for one in DELIVERIES]
        except PassingError as error:
            st.warning(f"{plain(file.name)} was not delivered. {with_code(str(error))}")
            continue
        except ImageError:
            # its row says why
            continue
        pixels = np.stack([one.pixels for one in sent])
        now = _answered(detector, pixels)
        if now.answer is None:
            late = f"It took longer than {PATIENCE:.0f} s; send it again."
            st.warning(f"{plain(file.name)} was not delivered. {with_code(now.message) or late}")
            continue
        kept[key] = sent_with(sent, now.answer.margins)
    bar.empty()


def _answered(detector: Known, pixels: NDArray[np.uint8]) -> JobStatus:
    """Ask for predictions, and wait `PATIENCE` for them; asking again and again keeps the place in the queue."""
    digest, ends = pixels_sha256(pixels), time.monotonic() + PATIENCE
    while True:
        now = ask(detector, pixels, digest, PredictRequest(), slot="table.deliver", patience=PATIENCE / 10)
        if not now.busy or time.monotonic() > ends:
            return now
        time.sleep(SOON)


def _key(file: UploadedFile, detector: Known) -> tuple[str, str]:
    return file.file_id, detector.identity.fingerprint


def _row(file: UploadedFile, name: str, detector: Known, *, slot: str) -> tuple[dict[str, object], JobStatus | None]:
    """Return a file's row of the table, and the status of its request; None where it is no image."""
    try:
        ready = ready_for(file, detector.about.preprocessing)
    except ImageError as error:
        return {"seen": None, "file": name, "judgement": None, "reason": str(error), "verdict": None}, None
    seen = data_url(ready.seen(ready.usual))
    row: dict[str, object] = {"seen": seen, "file": name}
    now = look(ready, detector, slot=slot)
    pixels = {"pixels": f"{ready.width} x {ready.height}"}
    if now.answer is None:
        waits = {"judgement": None, "reason": now.message, "verdict": "being asked" if now.busy else None}
        return row | waits | pixels, now
    found: Prediction = now.answer
    outcome = settle(found.margins)
    judged = _judged(ready, found, file, detector)
    said = {
        "judgement": judged.answer or TO_COME,
        "reason": reason(judged),
        "verdict": outcome,
        # p(REAL) is under one filter only: where filters disagree, it would look like a verdict
        "p(REAL)": None if outcome == UNDETERMINED else float(found.p_real[ready.filters.index(ready.usual)]),
        "lowest margin": float(found.margins.min()),
        "highest margin": float(found.margins.max()),
    }
    return row | said | pixels, now


def _judged(ready: Prepared, found: Prediction, file: UploadedFile, detector: Known) -> Judgement:
    known = known_of(detector.identity)
    sent = st.session_state.get("upload.delivered", {}).get(_key(file, detector))
    return judge(known.rule, known.space, seen_by(ready, found.margins, found.features, sent))
