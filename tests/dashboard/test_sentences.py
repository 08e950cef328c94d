"""What visitors are told of an error names the file and never the folders that lead to it."""

import logging
from pathlib import Path

import pytest

from core.system.atomic import cache_dir
from dashboard.services.sentences import for_visitors

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


def test_the_cache_is_the_servers_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "my cache"))
    assert for_visitors(f"{cache_dir()}/tags.sqlite cannot be used") == "tags.sqlite cannot be used."
