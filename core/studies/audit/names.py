"""The facts that an audit looks at, in the words that sentences and pages use. Needs no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FactName:
    """A fact in words.

    Attributes:
        title: for a heading.
        about: what is measured, for readers who are new to it.
        more, less: what to call images with a high and with a low value; "" for facts that are not numbers.
        unit: text that follows a value.
        alike: what images with equal values are alike in; "" for the title in lower case.
        probes: keys of the probes that change this fact, which show whether the detector reacts to it.
    """

    title: str
    about: str
    more: str = ""
    less: str = ""
    unit: str = ""
    alike: str = ""
    probes: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return bool(self.more)


FACT_NAMES = {
    "brightness": FactName(
        "Brightness", "mean of all pixels, 0 (black) to 255 (white)", "brighter", "darker",
        probes=("brighter",),
    ),
    "contrast": FactName(
        "Contrast", "how far pixels are from the image's mean, in grey levels", "richer in contrast",
        "poorer in contrast", probes=("flatter", "harder"),
    ),
    "greyness": FactName(
        "Greyness", "1 is grey all over, lower is more colourful", "greyer", "more colourful",
        probes=("fade",),
    ),
    "red": FactName(
        "Red", "mean of the red channel, 0 to 255", "richer in red light", "poorer in red light",
        probes=("tint",),
    ),
    "green": FactName(
        "Green", "mean of the green channel, 0 to 255", "richer in green light", "poorer in green light",
        probes=("tint",),
    ),
    "blue": FactName(
        "Blue", "mean of the blue channel, 0 to 255", "richer in blue light", "poorer in blue light",
        probes=("tint",),
    ),
    "fine_detail": FactName(
        "Fine detail", "share of an image's variation that is finer than 4 pixels, 0 to 1", "richer in fine detail",
        "poorer in fine detail", probes=("lowpass",),
    ),
    "file_bytes": FactName(
        "File size", "bytes of the file", "larger as files", "smaller as files", " bytes", probes=("jpeg",)
    ),
    "compression": FactName(
        "Compression", "format and quantisation tables of the file", alike="how their files were compressed",
        probes=("jpeg",),
    ),
    "category": FactName("What the image shows", "the set's own categories", alike="what they show"),
}  # fmt: skip
# one experiment changes all of these at once
CHANNELS = ("red", "green", "blue")
LEAK = FactName("Copies of training images", "images of the test that are also, or nearly, in the training set")
