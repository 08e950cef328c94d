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
        words=words,
    ).capital()
    if not about["count"]:
        return Told(answer)
    aside = say(finding, "{real} are {REAL} and {fake} {FAKE}; {other_class} copy an image of the other class.")
    if "repeats" in about:
        aside += say(finding, " {repeats} repeat an earlier one, so that as many are one too many.")
    return Told(answer, aside=aside)


def files(finding: Finding) -> Told:
    """A finding of the study `files` in words."""
    if finding.key == "unknown":
        return Told(say(finding, "How the files were compressed is unknown, because they were not available."))
    return Told(say(finding, "{measure:share.2} of the files are {name}."))
