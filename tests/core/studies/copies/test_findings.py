"""What is concluded of a sample, each of whose rows stands for many images."""

import numpy as np
import pandas as pd
import pytest

from core.studies.copies.findings import COMMON, files
from core.studies.study import WEIGHT


def test_the_commonest_compressions_are_those_of_most_images_and_not_of_most_rows() -> None:
    names = [f"JPEG quality {quality}, 4:2:0" for quality in (70, 75, 80, 85, 90, 95)]
    rows, images = np.arange(6, 0, -1), np.arange(10, 70, 10)
    table = pd.DataFrame({"compression": np.repeat(names, rows), WEIGHT: np.repeat(images / rows, rows)})
    found = files(None, table, {})  # type: ignore[arg-type]
    assert [one.details["name"] for one in found] == names[::-1][:COMMON]
    assert [one.measure.value for one in found] == pytest.approx([share / 210 for share in (60, 50, 40, 30, 20)])
