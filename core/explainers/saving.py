"""Explanations kept: `.npz` for programs, PNG for slides."""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.explainers.overlay import common_scale, draw_edges, draw_map, draw_overlay, orient
from core.explainers.results import CamResult, LimeResult
from core.images.decoding import encode_png
from core.images.palette import OPACITY, Palette
from core.system.atomic import write_bytes_atomically

SIZE = 384
Result = LimeResult | CamResult


@dataclass(frozen=True)
class Style:
    """How a result is drawn, on a page and in every file that is made of it.

    Attributes:
        palette: "class" or "paper".
        opacity: of the map over the image, 0 to 1.
        smooth: blend between a class activation map's positions.
        scale: the value drawn in full colour; the map's own largest when None.
    """

    palette: Palette = "class"
    opacity: float = OPACITY
    smooth: bool = False
    scale: float | None = None


DEFAULT = Style()


def save_npz(path: Path, result: Result) -> None:
    """Write every array of a result under its name, and the rest as JSON text under "about"; no pickles.

    Raises:
        OSError: the folder cannot be written; nothing half-written stays.
    """
    named = {field.name: getattr(result, field.name) for field in fields(result)}
    arrays = {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
    others = {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in named.items()
        if name not in arrays
    }
    about = {"kind": type(result).__name__, "verdict": result.verdict, **others}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            arrays["about"] = np.array(json.dumps(about, allow_nan=False))
            np.savez_compressed(file, allow_pickle=False, **arrays)

    write_bytes_atomically(path, write)


def save_png(path: Path, drawn: NDArray[np.uint8]) -> None:
    """Write a drawing of overlay.py as a PNG file."""
    write_bytes(path, encode_png(drawn))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_bytes_atomically(path, write)


def draw_result(
    result: Result, size: int = SIZE, *, style: Style = DEFAULT, over_image: bool = True
) -> NDArray[np.uint8]:
    """A result as RGBA (size, size, 4): its map over its image, or alone; segments outlined, undecided ones hatched."""
    values = orient(result.values, toward=result.toward, verdict=result.verdict, palette=style.palette)
    drawing: dict[str, Any] = {
        "scale": common_scale([values]) if style.scale is None else style.scale,
        "palette": style.palette,
        # segments have edges, and stay as they are
        "smooth": style.smooth and not isinstance(result, LimeResult),
        "undecided": result.undecided if isinstance(result, LimeResult) else None,
    }
    drawn = (
        draw_overlay(result.image, values, size, opacity=style.opacity, **drawing)
        if over_image
        else draw_map(values, size, **drawing)
    )
    return draw_edges(drawn, result.segments) if isinstance(result, LimeResult) else drawn
