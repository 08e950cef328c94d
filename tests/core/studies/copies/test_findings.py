"""What is concluded of a sample, each of whose rows stands for many images."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.findings.finding import Finding, Measure
from core.findings.words import tell
from core.studies.copies.findings import COMMON, COUNTED, files
from core.studies.study import WEIGHT


def test_the_commonest_compressions_are_those_of_most_images_and_not_of_most_rows() -> None:
    names = [f"JPEG quality {quality}, 4:2:0" for quality in (70, 75, 80, 85, 90, 95)]
    rows, images = np.arange(6, 0, -1), np.arange(10, 70, 10)
    table = pd.DataFrame({"compression": np.repeat(names, rows), WEIGHT: np.repeat(images / rows, rows)})
    found = files(None, table, {})  # type: ignore[arg-type]
    assert [one.details["name"] for one in found] == names[::-1][:COMMON]
    assert [one.measure.value for one in found] == pytest.approx([share / 210 for share in (60, 50, 40, 30, 20)])


def counted(count: int, *, sampled: bool) -> Finding:
    """So many leaks among 320 images, 40 of which were looked at if they are sampled."""
    details = {
        "count": count, "real": count, "fake": 0, "other_class": count, "images": 320, "sampled": sampled,
        "classes": True,
    }  # fmt: skip
    measure = Measure(count / 320, 0.0, 0.01, 40 if sampled else 320)
    return Finding("leak.file", "duplicates", "copies", measure, details=details)


def test_a_sample_without_a_copy_speaks_of_the_sampled_images_alone() -> None:
    share = "0.00% (0.00 to 1.00%)"
    assert str(tell(counted(0, sampled=True)).full) == (
        f"None of 40 sampled images are also training images, byte for byte, {share}."
    )
    assert str(tell(counted(0, sampled=False)).full).startswith("None of 320 images are also training images, ")


def test_a_single_copy_is_told_in_the_singular() -> None:
    one = counted(1, sampled=False)
    assert str(tell(one).full) == (
        "1 of 320 images is also a training image, byte for byte, 0.31% (0.00 to 1.00%). It is REAL and copies an "
        "image of the other class."
    )
    for key in COUNTED:
        assert str(tell(replace(one, key=key)).answer).startswith(("1 of 320 images is ", "1 of 320 images has "))
    pair = {"count": 2, "real": 1, "fake": 1, "other_class": 1, "repeats": 1}
    assert str(tell(replace(one, key="copy.file", details=one.details | pair)).aside) == (
        "1 is REAL and 1 FAKE; 1 copies an image of the other class. 1 repeats an earlier one and is one too many."
    )


def test_where_the_class_of_what_they_copy_is_unknown_only_their_own_is_told() -> None:
    one, unknown = counted(1, sampled=False), {"other_class": 0, "classes": False}
    assert str(tell(replace(one, details=one.details | unknown)).aside) == "It is REAL."
    several = unknown | {"count": 3, "real": 2, "fake": 1}
    assert str(tell(replace(one, details=one.details | several)).aside) == "2 are REAL and 1 FAKE."
