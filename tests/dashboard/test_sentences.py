"""What visitors are told of an error names the file and never the folders that lead to it."""

import logging
from pathlib import Path

import pytest

from dashboard.visitors import for_visitors, hide_parent

HOME = Path("/srv/Jane Doe's data/telltale")


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        (f"{HOME}/runs/a@b/maps.npy is missing; restore it", "a@b/maps.npy is missing; restore it."),
        (f"{HOME}/detectors/a/manifest.json is no JSON.", "a/manifest.json is no JSON."),
        (f"{HOME}/data/cifake holds no image", "data/cifake holds no image."),
        ("/opt/elsewhere/x/weights.safetensors lacks fc.bias", "weights.safetensors lacks fc.bias."),
        ("[Errno 2] No such file: '/opt/else/y.npy'", "[Errno 2] No such file: 'y.npy'."),
        (r"C:\Users\jane\telltale\runs\y.npy is missing", "y.npy is missing."),
        ("data/x/../y and 3/4 of train/REAL", "data/x/../y and 3/4 of train/REAL."),
        ("The file is not an image (PNG, JPEG or WebP)", "The file is not an image (PNG, JPEG or WebP)."),
    ],
)
def test_folders_are_left_out(sentence: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert for_visitors(ValueError(sentence), homes=(HOME,)) == shown
    logged = [record.getMessage().rstrip(".") for record in caplog.records]
    assert logged == ([] if shown.rstrip(".") == sentence else [sentence.rstrip(".")])


def test_what_was_attached_is_told_without_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.visitors._parents", set())
    data = "/srv/Jane Doe/My Pictures 2/holiday set"
    sentence = f"{data} does not exist; name the folder that holds train/ and test/, or CIFAKE's .zip"
    hide_parent(data)
    assert "Jane" not in for_visitors(sentence)
    assert "My Pictures" not in for_visitors(sentence)
    assert for_visitors(sentence).startswith("holiday set does not exist")
    # no path, and no folder to leave out
    for odd in ("github", "\0", "~nobody/x", "/x"):
        hide_parent(odd)
    assert for_visitors("a/b is 3/4") == "a/b is 3/4."
