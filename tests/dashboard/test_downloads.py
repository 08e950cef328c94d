"""Explanations as files, made when they are asked for."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.cam import GRADCAM
from core.explainers.drawing import DEFAULT, npz_of
from dashboard.components.explanation import result_downloads


def test_explanations_become_files_without_being_written(
    tiny_detector: Detector, pixels: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buttons: dict[str, Callable[[], bytes]] = {}
    monkeypatch.setattr(st, "download_button", lambda _label, data, *, key, **_: buttons.update({key: data}))
    # temporary files would be written where no folder is
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    found = GRADCAM.explain_fully(tiny_detector, pixels[0])
    result_downloads(found, DEFAULT, name="a.png", key="one")
    assert buttons["one.npz"]() == npz_of(found)
