"""The facts that an audit looks at, in the words that sentences and pages use. Needs no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FactName:
    """A fact in words.

    Attributes:
        title: for a heading.
        more, less: what images are with a high and with a low value; "" for facts that are words.
        unit: of its values, after a number.
        probes: keys of the probes of the study `probes` that change this, for what the detector makes of it.
    """

    title: str
    more: str = ""
    less: str = ""
    unit: str = ""
    probes: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return bool(self.more)


FACT_NAMES = {
    "brightness": FactName("Brightness", "brighter", "darker", probes=("darker", "brighter")),
    "contrast": FactName("Contrast", "richer in contrast", "poorer in contrast", probes=("flatter", "harder")),
    "greyness": FactName("Greyness", "greyer", "more colourful", probes=("fade", "saturate")),
    "red": FactName("Red", "redder", "less red", probes=("tint",)),
    "green": FactName("Green", "greener", "less green", probes=("tint",)),
    "blue": FactName("Blue", "bluer", "less blue", probes=("tint",)),
    "fine_detail": FactName("Fine detail", "richer in fine detail", "poorer in fine detail", probes=("lowpass",)),
    "file_bytes": FactName("File size", "larger as files", "smaller as files", " bytes", probes=("jpeg",)),
    "compression": FactName("Compression", probes=("jpeg",)),
    "category": FactName("What the image shows"),
}
