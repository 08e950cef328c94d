"""The two classes and their order: label 0 is FAKE, label 1 is REAL, in arrays, tables and matrices alike.

Label 2 is that of an image whose class nobody has stated; in a set either all images have it or none.
"""

from typing import Literal

ClassName = Literal["FAKE", "REAL"]
FAKE = 0
REAL = 1
CLASSES: tuple[ClassName, ClassName] = ("FAKE", "REAL")
UNLABELLED = "unlabelled"
LABELS = (*CLASSES, UNLABELLED)


def verdict_of(margin: float) -> ClassName:
    """Return the class that a margin predicts: REAL above 0, FAKE otherwise."""
    return "REAL" if margin > 0 else "FAKE"


def other_class(name: str) -> ClassName:
    """Return REAL for FAKE and FAKE for REAL."""
    return "FAKE" if name == "REAL" else "REAL"
