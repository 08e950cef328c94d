"""How the file was read: the first frame of an animation, transparency, and what was wrong with its container."""

import contextlib
import io
import warnings

from PIL import Image

from core.images.decoding import registered
from core.images.provenance.claim import Claim, File

KIND = "How it was read"


def find(file: File) -> list[Claim]:
    """Report what was left out or changed when the file was read, and what was wrong with its container."""
    contents = file.contents
    said = list(contents.problems)
    if (frames := _frames(file)) > 1:
        article = "An" if contents.format == "AVIF" else "A"
        said.insert(0, f"{article} {contents.format} animation of {frames:,} frames; only the first is judged.")
    elif contents.format == "GIF":
        said.insert(0, "A GIF has at most 256 colours, so most pictures have lost detail in it.")
    if may_be_transparent(file.data):
        said.append("Its transparent parts, if it has any, are laid on white.")
    return [Claim(KIND, sentence, forgeable=False) for sentence in said]


def _frames(file: File) -> int:
    """How many pictures an animation has; the boxes that we read do not say so of an AVIF."""
    if file.contents.format == "AVIF":
        with contextlib.suppress(Exception), Image.open(io.BytesIO(file.data), formats=registered()) as image:
            return int(getattr(image, "n_frames", 1))
    return file.contents.frames


def may_be_transparent(data: bytes) -> bool:
    """Return True where a file's header speaks of transparency; no pixel is decoded."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=registered()) as image:
            return "A" in image.getbands() or "transparency" in image.info
    # Pillow's plugins raise many kinds of error on damaged input
    except Exception:  # noqa: BLE001
        return False
