from pathlib import Path

import numpy as np
import pytest

from core import predict
from core.detector import save_detector
from core.run import read_run
from tests.conftest import make_detector


def test_a_run_on_another_set(cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detector = make_detector()
    save_detector(tmp_path / "detectors/other", detector, model_card="")
    command = ["other", "--data", str(cifake), "--out", str(tmp_path), "--device", "cpu"]
    assert predict.main(command) == 0
    run = read_run(tmp_path / "runs/other@cifake-test")
    assert run.manifest["detector_sha256"] == detector.sha256
    assert len(run) == 24
    assert np.ptp(run.predictions["margin"]) > 0
    assert predict.main(command) == 2
    assert "exists already" in capsys.readouterr().err


def test_unknown_detector_and_missing_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict.main(["absent", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "there is no detector absent; there are" in capsys.readouterr().err
    save_detector(tmp_path / "detectors/other", make_detector(), model_card="")
    assert predict.main(["other", "--data", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert "none does not exist" in capsys.readouterr().err
