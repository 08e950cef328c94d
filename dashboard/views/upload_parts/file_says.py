"""What an uploaded file says of where it came from, and whether its verdict depends on what is laid under it."""

import hashlib

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.findings.numbers import plus
from core.images.decoding import decode, may_be_transparent
from core.images.labels import verdict_of
from core.images.preprocessing import Preprocessing
from core.images.provenance import Claim, read_claims, summarise
from dashboard.components.plain import plain
from dashboard.components.requests import Known, ask, keep_up
from dashboard.components.words import CLASS_WORDS, section
from dashboard.decoding import in_turn
from dashboard.jobs import JobStatus, PredictRequest

GROUNDS = ("white", "black")


def draw_file_says(file: UploadedFile, detector: Known) -> None:
    """Draw the section "What the file says" of an upload that could be decoded."""
    claims, laid = _read(file, detector.about.preprocessing)
    section(
        "What the file says",
        "Read from the file on this server and sent nowhere. Anyone can write, change or remove what a file says "
        "about itself.",
    )
    st.markdown(f"**{summarise(claims)}**")
    lines = {claim.kind: "" for claim in claims}
    for claim in claims:
        lines[claim.kind] += f" {plain(claim.sentence)}"
    st.markdown("\n".join(f"- {plain(kind)}:{said}" for kind, said in lines.items()))
    details = [claim for claim in claims if claim.detail]
    if details:
        with st.expander("The file's own text"):
            for claim in details:
                st.caption(plain(claim.kind))
                # shown letter by letter
                st.code(claim.detail, language=None, wrap_lines=True)
    if laid is not None:
        _draw_grounds(laid, detector)


def _read(file: UploadedFile, preprocessing: Preprocessing) -> tuple[list[Claim], NDArray[np.uint8] | None]:
    """Return a file's claims and the detector's input on white and on black, None where equal; cached for one file."""
    kept, key = st.session_state.get("upload.says"), (file.file_id, preprocessing.steps)
    if kept is None or kept[0] != key:
        data = file.getvalue()
        laid = in_turn(lambda: on_both(data, preprocessing)) if may_be_transparent(data) else None
        kept = st.session_state["upload.says"] = key, in_turn(lambda: read_claims(data)), laid
    return kept[1], kept[2]


def on_both(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8] | None:
    """Return what a detector sees of a picture on white and black, uint8 (2, S, S, 3); None where it is the same."""
    white, black = (preprocessing.fit(decode(data, background=grey)) for grey in (255, 0))
    return None if np.array_equal(white, black) else np.stack([white, black])


def _draw_grounds(laid: NDArray[np.uint8], detector: Known) -> None:
    """Draw what the detector says of a transparent picture on white and on black."""

    def stand() -> JobStatus:
        digest = hashlib.sha256(laid.tobytes()).hexdigest()
        return ask(detector, laid, digest, PredictRequest(), slot="upload.grounds")

    def show(now: JobStatus) -> None:
        if now.answer is None:
            st.markdown("The picture is transparent in parts; asking the detector about it on white and on black.")
            return
        margins = [float(margin) for margin in now.answer.margins]
        said = [CLASS_WORDS[verdict_of(margin)] for margin in margins]
        each = " and ".join(
            f"on {ground} it is called {word} (margin {plus(margin)})"
            for ground, word, margin in zip(GROUNDS, said, margins, strict=True)
        )
        depends = "does not depend" if said[0] == said[1] else "**depends**"
        st.markdown(
            f"The picture is partly transparent and was placed on white. Its verdict {depends} on that: {each}. Both "
            "verdicts are on the default crop, whichever square is chosen above."
        )

    keep_up(stand, show, slot="upload.grounds")
