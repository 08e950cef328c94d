"""The claim that a file makes, and the file as each kind of evidence is given it."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.images.containers.contents import Contents

# most characters of untrusted text in a sentence, and in the details below it
SHORT, LONG = 160, 4000
# control and text-direction characters, which a browser or a terminal would obey rather than show
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
Suggests = Literal["generated", "photograph", ""]


@dataclass(frozen=True)
class Claim:
    """One thing that a file says.

    Attributes:
        kind: the kind of evidence, as a label.
        says: one sentence, which may quote the file.
        detail: the file's own text at more length, at most 4,000 characters; "" where there is none.
        forgeable: True where anybody could have written it; False for what was read from the picture itself.
        suggests: what kind of picture it speaks for, "" where neither.
    """

    kind: str
    says: str
    detail: str = ""
    forgeable: bool = True
    suggests: Suggests = ""

    def as_json(self) -> dict[str, Any]:
        """Return the claim as plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class File:
    """A file, as each kind of evidence is given it.

    Attributes:
        data: its bytes.
        contents: what was found in its container.
        pixels: uint8 (height, width, 3); None where it was not decoded.
    """

    data: bytes
    contents: Contents
    pixels: NDArray[np.uint8] | None


def quoted(text: str) -> str:
    """Quote untrusted text on one line, without control characters and cut to `SHORT` characters."""
    line = " ".join(CONTROL.sub(" ", text).split())
    return f"“{line if len(line) <= SHORT else line[: SHORT - 1].rstrip() + '…'}”"


def at_length(text: str) -> str:
    """Remove control characters, except tabs and line feeds, from untrusted text and cut it to `LONG` characters."""
    clean = CONTROL.sub("", text).strip()
    return clean if len(clean) <= LONG else clean[: LONG - 1] + "…"
