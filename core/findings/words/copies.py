"""The words of the studies `duplicates` and `files`."""

from core.findings.finding import Finding
from core.findings.lines import Line, line
from core.findings.numbers import share
from core.findings.words.told import Told

COUNTED = {
    "leak.file": "are also training images, byte for byte",
    "leak.pixels": "have the very pixels of a training image in another file",
    "leak.near": "are near copies of a training image",
    "copy.file": "have a copy in their own set, byte for byte",
    "copy.pixels": "have the very pixels of another image of their set in another file",
    "copy.near": "are near copies of another image of their set",
}


def duplicates(finding: Finding) -> Told:
    """A finding of the study `duplicates` in words."""
    if finding.key == "unchecked":
        return Told(
            line(
                "Whether images have near copies in the training set was not checked, because the training images were "
                "not available."
            )
        )
    words, about = COUNTED[finding.key], finding.details
    if not finding.measure.known:
        return Told(line("Whether images {words} was not checked.", words=words))
    answer = line(
        "{about}{count} of {images} images {words}, {share}.",
        about="about " if about["sampled"] else "", count=about["count"] or "none", images=about["images"],
        words=words, share=share(finding.measure, 2),
    ).capital()  # fmt: skip
    if not about["count"]:
        return Told(answer)
    aside = line(
        "{real} are {REAL} and {fake} {FAKE}; {other} copy an image of the other class.",
        real=about["real"], fake=about["fake"], other=about["other_class"],
    )  # fmt: skip
    if "repeats" in about:
        aside += line(" {n} repeat an earlier one, so that as many are one too many.", n=about["repeats"])
    return Told(answer, aside=aside)


def files(finding: Finding) -> Told:
    """A finding of the study `files` in words."""
    if finding.key == "unknown":
        return Told(line("How the files were compressed is unknown, because they were not available."))
    name: Line = line("{name}", name=finding.details["name"])
    return Told(line("{share} of the files are {name}.", share=share(finding.measure, 2), name=name))
