"""Where in a large picture: the verdict on every tile of the detector's own size, drawn over all of it."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.images.decoding import pixels_sha256
from core.images.tiles import Tiles
from core.images.upload import Prepared
from dashboard.components.explanations.asking import Known, ask
from dashboard.components.explanations.follow import draw_ended, next_look, waiting
from dashboard.components.polling import come_back
from dashboard.components.words import CLASS_WORDS
from dashboard.jobs import Prediction, PredictRequest
from dashboard.state import Setting
from dashboard.views.upload.uploads import end_if_settled, tiles_of

WHERE = Setting("tiles", "off", choices=("on", "off"))


def draw_where(file: UploadedFile, ready: Prepared, detector: Known) -> None:
    """Draw a switch and, when it is on, a map of the margins of the picture's tiles.

    Args:
        file: the upload.
        ready: the upload as prepared for the explanation.
        detector: the detector to run on the tiles.
    """
    side = ready.side
    st.markdown("#### Where in the picture")
    if min(ready.width, ready.height) < side:
        st.caption(f"It is smaller than a tile of {side} x {side} pixels.")
        return
    st.caption(f"Run the detector on {side} x {side} tiles at full resolution instead of the whole picture shrunk.")
    if not WHERE.toggle("Run on every tile"):
        return

    def draw() -> float | None:
        tiles = tiles_of(file, side)
        now = ask(detector, tiles.pixels, pixels_sha256(tiles.pixels), PredictRequest(), slot="tiles", patience=0.3)
        end_if_settled("tiles", now.busy)
        if now.answer is not None:
            _draw(tiles, ready.preview, now.answer)
        elif now.busy:
            st.caption(waiting(now) or "Asking the detector")
        draw_ended(now, "tiles")
        return next_look([now])

    come_back(draw, key="tiles", while_busy=bool(st.session_state.get("busy.tiles")))


def _draw(tiles: Tiles, preview: NDArray[np.uint8], found: Prediction) -> None:
    # scikit-image, which gives the colours, is imported only for maps
    from core.explainers.overlay import draw_over  # noqa: PLC0415

    margins = found.margins.reshape(tiles.rows, tiles.columns)
    real, whole = int((margins > 0).sum()), margins.size
    verdict = "REAL" if real * 2 >= whole else "FAKE"
    most = max(real, whole - real)
    st.image(
        draw_over(preview, margins),
        alt=f"The picture with the margins of its tiles over it: {real} of {whole} are called REAL",
        width="stretch",
    )
    st.markdown(f"{most} of {whole} tiles are called {CLASS_WORDS[verdict]}.")
    apart = "They overlap." if tiles.overlaps else "They leave gaps: the picture has more tiles than are asked about."
    st.caption(
        f"Blue says REAL, orange FAKE, in full colour at {float(np.abs(margins).max()):.1f}. One tile every "
        f"{tiles.spacing} pixels. {apart} The detector was not measured on tiles that show no object."
    )
