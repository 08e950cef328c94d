"""The words of the studies `duplicates` and `files`."""

from core.findings.finding import Finding
from core.findings.words.say import say
from core.findings.words.told import Told

COUNTED = {
    "leak.file": "are also training images, byte for byte",
    "leak.pixels": "have the very pixels of a training image in another file",
    "leak.near": "are near copies of a training image",
    "copy.file": "have a copy in their own set, byte for byte",
    "copy.pixels": "have the very pixels of another image of their set in another file",
    "copy.near": "are near copies of another image of their set",
}
# the same of one image
ONE = {
    "leak.file": "is also a training image, byte for byte",
    "leak.pixels": "has the very pixels of a training image in another file",
    "leak.near": "is a near copy of a training image",
    "copy.file": "has a copy in its own set, byte for byte",
    "copy.pixels": "has the very pixels of another image of its set in another file",
    "copy.near": "is a near copy of another image of its set",
}
UNCHECKED = (
    "Whether images have near copies in the training set was not checked, because the training images were not "
    "available."
)


def duplicates(finding: Finding) -> Told:
    """A finding of the study `duplicates` in words."""
    if finding.key == "unchecked":
        return Told(say(finding, UNCHECKED))
    words, about = COUNTED[finding.key], finding.details
    if not finding.measure.known:
        return Told(say(finding, "Whether images {words} was not checked.", words=words))
    if about["sampled"] and not about["count"]:
        return Told(say(finding, "None of {n} sampled images {words}, {measure:share.2}.", words=words))
    count, roughly = about["count"] or "none", "about " if about["sampled"] else ""
    answer = say(
        finding,
        "{roughly}{count} of {images} images {words}, {measure:share.2}.",
        roughly=roughly,
        count=count,
        words=ONE[finding.key] if count == 1 else words,
    ).capital()
    if not about["count"]:
        return Told(answer)
    one, several = "It is {label}", "{real} {are} {REAL} and {fake} {FAKE}"
    if about["classes"]:
        one += " and copies an image of {whose} class"
        several += "; {other_class} {copy} an image of the other class"
    aside = say(
        finding,
        f"{one if count == 1 else several}.",
        label="REAL" if about["real"] else "FAKE",
        whose="the other" if about["other_class"] else "its own",
        are="is" if about["real"] == 1 else "are",
        copy="copies" if about["other_class"] == 1 else "copy",
    )
    if "repeats" in about:
        several = " {repeats} repeat an earlier one, so that as many are one too many."
        aside += say(finding, " 1 repeats an earlier one and is one too many." if about["repeats"] == 1 else several)
    return Told(answer, aside=aside)


def files(finding: Finding) -> Told:
    """A finding of the study `files` in words."""
    if finding.key == "unknown":
        return Told(say(finding, "How the files were compressed is unknown, because they were not available."))
    return Told(say(finding, "{measure:share.2} of the files are {name}."))
