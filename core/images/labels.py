"""The two classes, their order and their colours, and other choices that command lines, files and pages share.

Label 0 is FAKE, label 1 is REAL, in arrays, tables and matrices alike. Label 2 is that of an image whose class nobody
has stated; in a set either all images have it or none. Imports no library, because a command line is read before any.
"""

from typing import Literal, get_args

ClassName = Literal["FAKE", "REAL"]
FAKE = 0
REAL = 1
CLASSES: tuple[ClassName, ClassName] = ("FAKE", "REAL")
UNLABELLED = "unlabelled"
LABELS = (*CLASSES, UNLABELLED)

Crop = Literal["before", "before_fit", "after", "after_floor", "none", "native"]
Outputs = Literal["logits", "probabilities"]
CROPS = get_args(Crop)
OUTPUTS = get_args(Outputs)
# filters of resampling, by Pillow's names
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")

# blue and orange can be told apart with any kind of colour blindness, and are equally light, so neither looks stronger
CLASS_COLOURS = {"REAL": "#2b74d6", "FAKE": "#c25a00"}
NEUTRAL = "#f3f3f3"
# guessing, baselines, and what is undecided
GREY = UNDECIDED = "#8b9099"
# of curves in which FAKE is the positive class
CURVE = CLASS_COLOURS["FAKE"]
# opacity, 0 to 1, of a map over an image, where the map is at full scale
OPACITY = 0.7

Palette = Literal["class", "paper"]
# the colours of the negative and the positive end; the paper's, against and for the verdict, look alike to people with
# red-green blindness
ENDS = {"class": (CLASS_COLOURS["FAKE"], CLASS_COLOURS["REAL"]), "paper": ("#cc3333", "#1b7f3b")}
END_LABELS = {
    "class": ("speaks for FAKE", "speaks for REAL"),
    "paper": ("against the verdict", "for the verdict"),
}


def verdict_of(margin: float) -> ClassName:
    """Return the class that a margin predicts: REAL above 0, FAKE otherwise."""
    return "REAL" if margin > 0 else "FAKE"


def other_class(name: str) -> ClassName:
    """Return REAL for FAKE and FAKE for REAL."""
    return "FAKE" if name == "REAL" else "REAL"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of "#rrggbb"."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
