"""Pictures of training images: the right ones, or none."""

import hashlib
from pathlib import Path

import numpy as np

from core.images.decoding import decode
from core.studies.audit.pictures import training_pictures


def test_a_picture_is_shown_under_its_own_hash_alone(cifake: Path) -> None:
    file = next((cifake / "train" / "REAL").iterdir())
    identity = f"train-{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"
    name = f"REAL/{file.name}"
    found = training_pictures(str(cifake), {identity: name, f"{identity}~1": name, "train-0": "REAL/none.jpg"})
    assert set(found) == {identity, f"{identity}~1"}
    np.testing.assert_array_equal(found[identity], decode(file.read_bytes()))
    file.write_bytes(next((cifake / "train" / "FAKE").iterdir()).read_bytes())
    assert training_pictures(str(cifake), {identity: name}) == {}


def test_where_the_set_is_not_at_hand_there_is_no_picture(tmp_path: Path) -> None:
    assert training_pictures(str(tmp_path / "nowhere"), {"train-0": "REAL/0.jpg"}) == {}
