"""What the other detectors say of the same image: a row each, and where they disagree."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import streamlit as st

from core.findings.numbers import plus
from core.images.decoding import pixels_sha256
from core.images.preprocessing import Preprocessing
from core.images.upload import UNDETERMINED, Prepared, settle
from core.perturbations.postprocessing import DELIVERIES
from core.studies.judgement.judge import judge
from core.studies.judgement.judging import reason, seen_by, sent_with
from dashboard.components.plain import plain
from dashboard.components.polling import poll
from dashboard.components.requests import Known, ask
from dashboard.components.words import CLASS_WORDS, listed, percent
from dashboard.jobs import JobStatus, PredictRequest
from dashboard.library import known_of
from dashboard.state import Setting
from dashboard.views.upload_parts.origin import Origin, sent_so_far
from dashboard.views.upload_parts.uploads import end_if_settled

OTHERS = Setting("others", "off", choices=("on", "off"))


def draw_others(detectors: Mapping[str, Known], ready_at: Callable[[Preprocessing], Prepared], origin: Origin) -> None:
    """Draw a switch and, when it is on, a table with a row per detector.

    Args:
        detectors: by name.
        ready_at: prepares the image, with its current crop, for a detector's preprocessing.
        origin: of the image; its deliveries were made for the detector whose explanation is shown.
    """
    if len(detectors) < 2:
        return
    if not OTHERS.toggle("What do other detectors say?", help="Asks every detector here about the same image."):
        return

    def draw() -> bool:
        ready = {one.name: ready_at(one.about.preprocessing) for one in detectors.values()}
        found = [_row(one, ready[one.name], origin) for one in detectors.values()]
        standings = [standing for _, standing in found]
        end_if_settled("others", any(one.busy for one in standings))
        st.markdown(disagreement({str(row["detector"]): str(row["verdict"]) for row, _ in found}))
        if larger := larger_squares({name: one.square for name, one in ready.items() if one.place is not None}):
            st.markdown(larger)
        st.dataframe(
            pd.DataFrame([row for row, _ in found]),
            hide_index=True,
            height="content",
            alt="What each detector says of the image",
            key="upload.others",
            placeholder="\N{EM DASH}",
            column_config={"reason": st.column_config.TextColumn(width="large")},
        )
        return any(one.busy for one in standings)

    poll(draw, while_busy=bool(st.session_state.get("busy.others")))


def _row(detector: Known, ready: Prepared, origin: Origin) -> tuple[dict[str, object], JobStatus]:
    """Return a detector's row and the status of its request."""
    # deliveries were made for one preprocessing; of a detector with another, none is known here
    sent = sent_so_far(origin) if ready.preprocessing.steps == origin.steps else []
    whole = len(sent) == len(DELIVERIES)
    pixels = np.concatenate([ready.pixels, np.stack([one.pixels for one in sent])]) if whole else ready.pixels
    now = ask(detector, pixels, pixels_sha256(pixels), PredictRequest(), slot=f"others.{detector.name}")
    if now.answer is None:
        waits = "being asked" if now.busy else ""
        return {"detector": detector.name, "judgement": None, "reason": now.message, "verdict": waits}, now
    count, margins, features = len(ready.filters), now.answer.margins, now.answer.features
    after = sent_with(sent, margins[count:]) if whole else None
    seen = seen_by(ready, margins[:count], features, after)
    known = known_of(detector.identity)
    judgement = judge(known.rule, known.space, seen)
    outcome = settle(margins[:count])
    # p(REAL) is under one filter only: where filters disagree, it would look like a verdict
    sure = {} if outcome == UNDETERMINED else {"p(REAL)": percent(float(now.answer.p_real[seen.usual]))}
    return {
        "detector": detector.name,
        "judgement": judgement.answer or "deliveries not tested",
        "reason": reason(judgement),
        "verdict": outcome,
        "margin": plus(seen.margin),
        **sure,
    }, now


def larger_squares(squares: Mapping[str, int]) -> str:
    """Say which detectors see more of the image than the square that was chosen; `squares` are sides in pixels."""
    least = min(squares.values(), default=0)
    larger = [plain(name) for name, square in squares.items() if square > least]
    if not larger:
        return ""
    one = len(larger) == 1
    return (
        f"{listed(larger)} {'sees' if one else 'see'} a larger square than the others, because "
        f"{'its' if one else 'their'} input is larger than the one that was chosen."
    )


def disagreement(verdicts: Mapping[str, str]) -> str:
    """Say who calls the image what."""
    who = {word: [plain(name) for name, verdict in verdicts.items() if verdict == word] for word in CLASS_WORDS}
    said = [
        f"{listed(names)} {'calls' if len(names) == 1 else 'call'} it {CLASS_WORDS[word]}"
        for word, names in who.items()
        if names
    ]
    if unsettled := [plain(name) for name, verdict in verdicts.items() if verdict == UNDETERMINED]:
        said.append(f"{listed(unsettled)}: it depends on the resampling filter")
    if not all(verdict in CLASS_WORDS for verdict in verdicts.values()):
        # some have not answered, or cannot
        return f"{'; '.join(said)}." if said else "None has answered yet."
    if len(said) == 2:
        return f"**They disagree:** {said[0]}, {said[1]}."
    return f"They agree: {said[0]}."
