"""What is said of images that have more, or less, of something than others. Needs no torch."""

import math
from dataclasses import dataclass

from core.findings.numbers import percent
from core.probes.table import PROBES
from core.studies.copies.nearest_copy import FILE, NEAR, NONE, SHOWN, UNKNOWN


@dataclass(frozen=True)
class Phrase:
    """Words for a number.

    Attributes:
        more, less: of images that have more of it than others, and less.
        numbers: both means in words, `own` and `rest`.
        share: they are shares of 1 and written as percent.
    """

    more: str
    less: str
    numbers: str = "{own}, others {rest}"
    share: bool = False


# red, green and blue mostly say again how bright an image is
FACT_WORDS = {
    "brightness": Phrase("brighter", "darker", "brightness {own} of 255, others {rest}"),
    "contrast": Phrase("more contrast", "less contrast", "spread of grey levels {own}, others {rest}"),
    "greyness": Phrase("greyer", "more colourful", "greyness {own} of 1, others {rest}"),
    "fine_detail": Phrase("more fine detail", "less fine detail", "{own} of the variation, others {rest}", share=True),
    "file_bytes": Phrase("larger files", "smaller files", "{own} bytes, others {rest}"),
}
DISTANCE = "distance {own}, others {rest}"
RANK = "rank correlation {own}, others {rest}"
LEAN = "lead of {own} margins, others {rest}"
BITS = "{own} of 64 bits differ, others {rest}"
# what the studies of images offer to Explore, and sureness
NUMBER_WORDS = {
    "margin": Phrase("the detector is surer", "the detector is less sure", "margin {own}, others {rest}"),
    "probes.turned_size": Phrase(
        "only a larger change turns them", "a smaller change turns them", "{own} of 255 grey levels, others {rest}"
    ),
    "probes.turned_families": Phrase(
        "turned by more kinds of changes", "turned by fewer kinds of changes", "{own} of 9, others {rest}"
    ),
    "probes.detail_radius": Phrase(
        "a milder loss of fine detail turns them",
        "only a stronger loss of fine detail turns them",
        "radius {own} of 16, others {rest}",
    ),
    "probes.detail_both_ways": Phrase(
        "more often decided by fine detail alone", "less often decided by fine detail alone", share=True
    ),
    "neighbours.fake_share": Phrase(
        "more FAKE among the images most like them", "fewer FAKE among the images most like them",
        share=True,
    ),
    "neighbours.distance": Phrase("less like any other image", "more like some other image", DISTANCE),
    "neighbours.distance_other": Phrase(
        "further from images of the other verdict", "nearer to images of the other verdict", DISTANCE
    ),
    "neighbours.agrees": Phrase(
        "the images most like them say the same more often", "the images most like them say the same less often",
        share=True,
    ),
    "agreement.rank": Phrase("LIME and Grad-CAM agree more", "LIME and Grad-CAM agree less", RANK),
    "agreement.rank_share": Phrase(
        "Grad-CAM of more other images fits their LIME as well as their own",
        "Grad-CAM of fewer other images fits their LIME as well as their own",
        share=True,
    ),
    "stability.lime_seed": Phrase(
        "LIME stays more the same under another seed", "LIME changes more under another seed", RANK
    ),
    "stability.lime_noise": Phrase(
        "LIME stays more the same under noise that nobody can see",
        "LIME changes more under noise that nobody can see",
        RANK,
    ),
    "stability.gradcam_noise": Phrase(
        "Grad-CAM stays more the same under noise that nobody can see",
        "Grad-CAM changes more under noise that nobody can see",
        RANK,
    ),
    "faithfulness.score_gradcam": Phrase(
        "lean more on what Grad-CAM names", "lean less on what Grad-CAM names", LEAN
    ),
    "faithfulness.score_lime": Phrase("lean more on what LIME names", "lean less on what LIME names", LEAN),
    "one_colour.paper_one_sign": Phrase(
        "more often all one colour in LIME with the paper's settings",
        "less often all one colour in LIME with the paper's settings",
        share=True,
    ),
    "one_colour.ours_shown_one": Phrase(
        "more often all one colour in LIME", "less often all one colour in LIME", share=True
    ),
    "duplicates.training_bits": Phrase(
        "less like their copy in the training set", "more like their copy in the training set", BITS
    ),
}  # fmt: skip
PLACES = {"in_training": "in the training set", "in_set": "in their own set"}
COPIES = {
    FILE: "more often the very file of an image {}",
    SHOWN: "more often the very pixels of an image {}",
    NEAR: "more often nearly the same as an image {}",
    NONE: "more often without a copy {}",
    UNKNOWN: "more often not looked for {}",
}
CAUSES = {
    "one segment": "there is one segment",
    "nothing decided": "nothing is decided",
    "fill": "what it fills in speaks for one class",
    "one sign": "all parts speak the same way",
}
# columns whose values are texts -> what is said where images have one more often than others
TEXT_WORDS = {
    "category": "more often {}",
    "probes.turned_by": "the smallest change that turns them is more often “{}”",
    "one_colour.ours_cause": "more often one colour in LIME because {}",
    "duplicates.training_class": "more often with a training copy of the {} class",
    "duplicates.set_class": "more often with a copy of the {} class in their own set",
    "files.compression": "more often saved as {}",
}


def of_number(phrase: Phrase, own: float, rest: float) -> str:
    """Two means in words: "nearer to images of the other verdict (0.22, others 0.27)"."""
    numbers = (percent(own), percent(rest)) if phrase.share else alike(own, rest)
    told = phrase.numbers.format(own=numbers[0], rest=numbers[1])
    return f"{phrase.more if own > rest else phrase.less} ({told})"


def of_unknown(label: str, own: float, rest: float, *, share: bool) -> str:
    """The same of what nobody has words for, by its label."""
    numbers = (percent(own), percent(rest)) if share else alike(own, rest)
    return f"{label}: {numbers[0]}, others {numbers[1]}"


def of_text(column: str, text: str, label: str) -> str:
    """What is said of images that have a text more often than others, without numbers.

    Args:
        column: `category`, or a study's as `<study>.<column>`.
        text: the value.
        label: of the column, where nobody has words for it.
    """
    study, _, name = column.partition(".")
    if study == "duplicates" and name in PLACES and text in COPIES:
        return COPIES[text].format(PLACES[name])
    if column == "probes.turned_by" and text in PROBES:
        title = PROBES[text].title
        text = title if title[:2].isupper() else title[:1].lower() + title[1:]
    if column == "one_colour.ours_cause":
        text = CAUSES.get(text, text)
    return TEXT_WORDS.get(column, f"more often {label}: {{}}").format(text.replace("_", " "))


def alike(own: float, rest: float) -> tuple[str, str]:
    """Two numbers with two digits each, and more where they would look the same."""
    most = _digits(max(abs(own), abs(rest)))
    told = []
    for one in (own, rest):
        # of what is nearly nothing not even two
        digits = max(min(_digits(abs(one)), most + 1), most, _digits(abs(own - rest)) - 1)
        told.append(f"{round(one, digits):,.{max(digits, 0)}f}".replace("-", "\N{MINUS SIGN}"))
    return told[0], told[1]


def _digits(number: float) -> int:
    """How many digits after the point show two of a number, negative where it has more before it."""
    return 1 - math.floor(math.log10(number)) if number > 0 else 0
