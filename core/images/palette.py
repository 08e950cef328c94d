"""The colours with a meaning, defined once for charts, borders and maps.

Blue and orange can be told apart with any kind of colour blindness; they are equally light, so neither class looks
stronger.
"""

from typing import Literal, get_args

REAL = "#2b74d6"
FAKE = "#c25a00"
CLASS_COLOURS = {"REAL": REAL, "FAKE": FAKE}

# the paper's colours for and against the verdict; people with red-green blindness cannot tell them apart
FOR = "#1b7f3b"
AGAINST = "#cc3333"

NEUTRAL = "#f3f3f3"
# guessing, baselines, and what is undecided
GREY = UNDECIDED = "#8b9099"
# of curves in which FAKE is the positive class
CURVE = FAKE
# neither class's; with some colour blindness hard to tell from grey, so that it never stands for anything alone
DETECTOR = "#0f9d8a"
# two detectors side by side: unlike the colours of both classes, and each with a shape of its own
PAIR = (DETECTOR, "#9a6fe0")
# opacity, 0 to 1, of a map over an image, where the map is at full scale
OPACITY = 0.7

Palette = Literal["class", "paper"]
PALETTES = get_args(Palette)
# the colours of the negative and the positive end
ENDS = {"class": (FAKE, REAL), "paper": (AGAINST, FOR)}
END_LABELS = {
    "class": ("speaks for FAKE", "speaks for REAL"),
    "paper": ("against the verdict", "for the verdict"),
}


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of "#rrggbb"."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
