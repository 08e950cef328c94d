"""Reading an image set at the terminal; downloads are tested where a training starts with one."""

from pathlib import Path

import pytest

from core.images.image_set import DatasetError
from core.images.loading import load_image_set
from core.images.terminal import load_shown


def test_what_was_left_out_is_said_and_the_rest_is_as_it_was(cifake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_shown(cifake, "test").fingerprint == load_image_set(cifake, "test").fingerprint
    assert capsys.readouterr().err == ""
    (cifake / "test/REAL/0003 (4).jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"0003 \(4\)"):
        load_shown(cifake, "test")
    found = load_shown(cifake, "test", skip_bad=True)
    assert found.fingerprint == load_image_set(cifake, "test", skip_bad=True).fingerprint
    assert capsys.readouterr().err.startswith("1 file of test left out, first: REAL/0003 (4).jpg: ")
    next((cifake / "test/FAKE").iterdir()).write_bytes(b"no image either")
    load_shown(cifake, "test", skip_bad=True)
    assert "2 files of test left out, first: " in capsys.readouterr().err
