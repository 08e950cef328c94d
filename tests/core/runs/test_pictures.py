"""Pictures find their rows by file hash: own ones, a whole set's, half a set's, none."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from core.images.image_set import ImageSet
from core.images.preprocessing import Preprocessing
from core.runs.pictures import find_pictures
from core.runs.run import Run
from tests.core.runs.test_rows import make_run


def image_set(digests, *, fingerprint="other", name="set"):
    pixels = np.arange(len(digests), dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    return ImageSet(name, "test", pixels, pd.DataFrame({"sha256": digests}), fingerprint)


def test_rows_get_the_picture_of_their_file(tmp_path):
    run = make_run(tmp_path / "d@s", n=4)
    digests = run.predictions["sha256"].tolist()
    found = find_pictures(run, [image_set(["z", digests[2], digests[0], digests[2]])])
    assert found.found == 2
    assert found.get(0)[0, 0, 0] == 2
    # of two copies the first
    assert found.get(2)[0, 0, 0] == 1
    assert found.get(1) is None


def test_a_whole_set_is_preferred_and_without_sets_there_is_nothing(tmp_path):
    run = make_run(tmp_path / "d@s", n=3)
    digests = run.predictions["sha256"].tolist()
    half = image_set(digests[:2], name="half")
    whole = image_set(digests, fingerprint="f", name="whole")
    assert find_pictures(run, [half, whole]).source == "whole"
    assert find_pictures(run, [half]).source == "half"
    nothing = find_pictures(run, [image_set(["z"])])
    assert nothing.found == 0
    assert nothing.get(0) is None
    assert nothing.source is None


def test_pixels_that_were_cut_in_another_way_are_another_detectors(tmp_path):
    run = make_run(tmp_path / "d@s", n=3)
    digests = run.predictions["sha256"].tolist()

    def found(fit, **changes):
        manifest = {**run.manifest, "preprocess": asdict(replace(Preprocessing(32), **changes))}
        changed = Run(run.path, manifest, run.predictions, run.maps, None, None)
        return find_pictures(changed, [replace(image_set(digests), fit=fit)]).found == 3

    own = Preprocessing(32).steps
    assert found("")
    assert found(own)
    assert found(own, mean=(0.5, 0.5, 0.5))
    assert not found(own, crop="none")
    assert not found(own, interpolation="bilinear")
    # files of the right size are enlarged before they are cut
    assert not found("", crop="after", resize=40)
    assert found(Preprocessing(32, 40, "after").steps, crop="after", resize=40)
