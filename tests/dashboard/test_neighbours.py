"""The nearest images of one image, by a search written out."""

from dataclasses import replace

import numpy as np
import pytest

from core.images.image_set import ImageSet
from core.studies.training_reference import Reference
from dashboard.neighbours import find_neighbours
from tests.core.studies.conftest import made_set


@pytest.fixture
def images() -> ImageSet:
    return made_set()


@pytest.fixture
def reference(images: ImageSet) -> Reference:
    margins = np.where(np.arange(60) % 3 == 0, 1, -1).astype(np.float32)
    features = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float16)
    return Reference("made-train", features, margins, images.rows, images.pixels)


@pytest.mark.parametrize("row", [6, 7])
def test_neighbours_are_the_nearest_with_their_labels(reference: Reference, images: ImageSet, row: int) -> None:
    features, margin = reference.features[row].astype(np.float32), float(reference.margins[row])
    # a feature's length says nothing
    found = find_neighbours(reference, 1e6 * features, margin, k=5, leave_out=str(images.rows["sha256"][row]))
    unit = reference.features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    distances = 1 - unit @ unit[row]
    distances[row] = np.inf
    nearest = np.argsort(distances)[:5]
    assert [neighbour.id for neighbour in found.near] == images.rows["id"][nearest].tolist()
    for neighbour, position in zip(found.near, nearest, strict=True):
        assert neighbour.distance == pytest.approx(distances[position], abs=1e-5)
        assert neighbour.label == ("FAKE", "REAL")[images.rows["label"][position]]
        assert neighbour.predicted == ("FAKE", "REAL")[int(reference.margins[position] > 0)]
        np.testing.assert_array_equal(neighbour.image, images.pixels[position])
    others = np.where(reference.margins * margin < 0, distances, np.inf)
    assert found.other is not None
    assert found.other.id == images.rows["id"][others.argmin()]
    assert found.candidates == 59
    # with itself allowed it is its own nearest
    assert find_neighbours(reference, features, margin, k=1).near[0].id == images.rows["id"][row]
    one_class = replace(reference, margins=np.full(60, margin, np.float32), pixels=None)
    assert find_neighbours(one_class, features, margin).other is None
