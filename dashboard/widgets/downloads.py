"""Explanations as files, made when they are asked for."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from core.explain.page import save_html
from core.explain.results import CamResult, LimeResult
from core.explain.saving import SIZE, draw_result, save_npz
from core.images import encode_png
from core.palette import Palette
from dashboard.widgets.handing import file_button

Result = CamResult | LimeResult


def result_downloads(result: Result, *, name: str, key: str, palette: Palette) -> None:
    """Buttons for the picture (PNG) and the numbers (.npz) of one explanation."""
    stem = f"{Path(name).stem}-{'lime' if isinstance(result, LimeResult) else 'grad-cam'}"
    with st.container(horizontal=True, gap="small"):
        file_button(
            "PNG",
            lambda: encode_png(draw_result(result, SIZE, palette=palette)),
            file_name=f"{stem}.png",
            mime="image/png",
            key=f"{key}.png",
            icon=":material/image:",
            type="tertiary",
        )
        file_button(
            "Numbers",
            lambda: _written(lambda path: save_npz(path, result), ".npz"),
            file_name=f"{stem}.npz",
            mime="application/octet-stream",
            key=f"{key}.npz",
            icon=":material/data_array:",
            type="tertiary",
            help="Every array and setting of this explanation, for numpy.load.",
        )


def page_download(results: Mapping[str, Result], *, name: str, notes: list[str], key: str, palette: Palette) -> None:
    """A button for one HTML page with all of the explanations in it."""
    file_button(
        "Whole explanation as a page",
        lambda: _written(
            lambda path: save_html(path, dict(results), title=name, notes=notes, palette=palette), ".html"
        ),
        file_name=f"{Path(name).stem}-explained.html",
        mime="text/html",
        key=key,
        icon=":material/article:",
        disabled=not results,
        help="One self-contained page with the image, both explanations and their health: to keep or to send.",
    )


def _written(write: Callable[[Path], None], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        write(path)
        return path.read_bytes()
