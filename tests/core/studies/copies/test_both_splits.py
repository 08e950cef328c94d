"""The training images and the files of a set whose FAKE classes only its user can name."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.images.duplicates import near_pairs, perceptual_hashes, pixel_digests
from core.images.image_set import DataPath
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.studies.copies import both_splits
from core.studies.copies.both_splits import Part, compressions, own_part, source_of, training_part
from tests.conftest import textured
from tests.core.images.layouts import made
from tests.core.studies.audit.test_study import context_of


def test_classes_that_a_user_has_named_are_still_named_where_the_files_are_read_again(tmp_path: Path) -> None:
    _, fake = made.LAYOUTS["image_folder"]
    truths = made.image_folder(tmp_path / "set")
    data = DataPath(str(tmp_path / "set"), fake)
    images = load_image_set(data, "test", fit=Preprocessing(32))
    context = context_of(images, frozenset(), data, None)
    source = source_of(context)
    assert isinstance(source, DataPath)
    assert (source, source.fake_classes) == (data, fake)
    training = training_part(context)
    assert training is not None
    real = {name: truth.label == "REAL" for name, truth in truths.items() if truth.split == "train"}
    assert dict(zip(training.rows["name"], training.is_real.tolist(), strict=True)) == real
    assert compressions(context, own_part(context)) == ["PNG"] * 6


def test_copies_in_two_parts_are_those_in_one_array_of_all_their_images() -> None:
    own = textured(12, fine=False, seed=1)
    # some as they are, some a little brighter, some that are no copies
    training = np.concatenate([own[:4], own[4:8] + np.uint8(5), textured(6, fine=False, seed=2)])
    both = np.concatenate([own, training])
    digests = pixel_digests(both)
    parts = [
        Part("test", own, pd.DataFrame({"sha256": digests[: len(own)]})),
        Part("train", training, pd.DataFrame({"sha256": digests[len(own) :]})),
    ]
    _, first = np.unique(pd.factorize(digests)[0], return_index=True)
    hashes = perceptual_hashes(both[first])
    np.testing.assert_array_equal(perceptual_hashes(both_splits._Chosen(parts, first)), hashes)  # type: ignore[arg-type]
    expected = near_pairs(both[first], hashes)
    found = both_splits._links(parts, lambda *_: None)
    np.testing.assert_array_equal(found.shown, pd.factorize(digests)[0])
    np.testing.assert_array_equal(found.pairs.left, first[expected.left])
    np.testing.assert_array_equal(found.pairs.right, first[expected.right])
    for name in ("bits", "correlation", "difference"):
        np.testing.assert_array_equal(getattr(found.pairs, name), getattr(expected, name))
    pairs = set(zip(found.pairs.left.tolist(), found.pairs.right.tolist(), strict=True))
    assert {(number, len(own) + number) for number in range(4, 8)} <= pairs
