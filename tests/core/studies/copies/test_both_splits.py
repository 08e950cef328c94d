"""The training images and the files of a set whose FAKE classes only its user can name."""

from pathlib import Path

from core.detectors.preprocessing import Preprocessing
from core.images.image_set import DataPath
from core.images.loading import load_image_set
from core.studies.copies.both_splits import compressions, own_part, source_of, training_part
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
