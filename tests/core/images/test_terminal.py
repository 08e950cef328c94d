"""Reading an image set at the terminal, perhaps after a download."""

from pathlib import Path

import pytest

from core.images.image_set import DatasetError
from core.images.loading import load_image_set
from core.images.terminal import load_with_bar
from tests.core.images.github import Serve, serve

__all__ = ["serve"]


def test_what_was_left_out_is_said_and_the_rest_is_as_it_was(cifake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_with_bar(cifake, "test").fingerprint == load_image_set(cifake, "test").fingerprint
    assert capsys.readouterr().err == ""
    (cifake / "test/REAL/0003 (4).jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"0003 \(4\)"):
        load_with_bar(cifake, "test")
    found = load_with_bar(cifake, "test", skip_bad=True)
    assert found.fingerprint == load_image_set(cifake, "test", skip_bad=True).fingerprint
    assert capsys.readouterr().err.startswith("1 file of test left out: REAL/0003 (4).jpg: ")
    next((cifake / "test/FAKE").iterdir()).write_bytes(b"no image either")
    load_with_bar(cifake, "test", skip_bad=True)
    said = capsys.readouterr().err
    assert said.startswith("2 files of test left out: ")
    assert said.endswith(", and others\n")


def test_what_is_on_github_is_fetched_first(cifake: Path, serve: Serve) -> None:
    serve()
    found = load_with_bar("github", "test")
    assert found.fingerprint == load_image_set(cifake, "test").fingerprint
    # the second time it is there
    assert load_with_bar("github", "train").fingerprint == load_image_set(cifake, "train").fingerprint
