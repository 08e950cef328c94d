"""Detectors on disk: what is saved is what is opened, and what answers otherwise is refused."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.torch import load_file

from core.detectors.identity import REFERENCE, WEIGHTS
from core.detectors.resnet import ResNetDetector
from core.detectors.storage import load_detector, save_detector
from core.storage.atomic import TakenError
from core.storage.limits import MANIFEST, ContractError
from tests.conftest import make_detector, noise
from tests.damage import reseal

PICTURES = noise(8, 32, 32)


@pytest.fixture
def saved(tmp_path):
    """A folder of a detector with reference pictures, and the detector."""
    detector = make_detector(temperature=1.5, manifest={"training_set": "some"})
    save_detector(tmp_path / "d", detector, model_card="# Card", reference=PICTURES)
    return tmp_path / "d", detector


def test_what_is_saved_is_what_is_opened(saved):
    folder, detector = saved
    opened = load_detector(folder)
    assert_array_equal(opened.margins(PICTURES), detector.margins(PICTURES))
    assert (opened.name, opened.sha256, opened.about) == ("d", detector.sha256, detector.about)
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["training_set"] == "some"
    assert manifest["weights_sha256"] == detector.sha256
    assert manifest["parameters"] == sum(weight.numel() for weight in detector.network.parameters())
    assert_array_equal(np.load(folder / REFERENCE), PICTURES)
    assert (folder / "README.md").read_text() == "# Card"
    # matrices that float16 holds exactly are stored so, vectors never
    for name, tensor in load_file(folder / WEIGHTS).items():
        assert tensor.dtype == (torch.float16 if tensor.ndim > 1 else torch.float32)
        assert_array_equal(tensor.float(), detector.network.state_dict()[name])
    renamed = folder.rename(folder.with_name("other"))
    assert load_detector(renamed).name == "other"


def test_a_weight_is_stored_to_its_last_bit_in_another_folder_only_where_that_is_asked_for(saved):
    folder, detector = saved
    detector.network.fc.weight += 1e-6
    changed = ResNetDetector(detector.network)
    with pytest.raises(TakenError):
        save_detector(folder, changed, model_card="")
    assert load_detector(folder).sha256 == detector.sha256
    save_detector(folder, changed, model_card="", replace=True)
    assert_array_equal(load_detector(folder).network.fc.weight, changed.network.fc.weight)
    assert not (folder / REFERENCE).exists()


@pytest.mark.parametrize("noisy, moved, fits", [(0, 0.005, True), (0, 0.3, False), (1, 1.5, True), (1, 9.0, False)])
def test_a_margin_moves_by_as_much_as_was_measured_and_no_further(saved, noisy, moved, fits):
    folder, detector = saved
    margins = detector.margins(PICTURES).tolist()
    margins[4] += moved
    reseal(folder, reference_margins=margins, noise=float(noisy))
    if fits:
        assert load_detector(folder).noise == noisy
    else:
        # the fifth alone is another
        with pytest.raises(ContractError, match=r"\b5\b"):
            load_detector(folder)


@pytest.mark.parametrize("margins", [[0.0], "none", [[]] * 8])
def test_reference_margins_that_cannot_be_are_refused(saved, margins):
    reseal(saved[0], reference_margins=margins)
    with pytest.raises(ContractError):
        load_detector(saved[0])


@pytest.mark.parametrize("reference", [None, PICTURES])
def test_a_detector_whose_margins_overflow_is_refused(tmp_path, reference):
    detector = make_detector()
    save_detector(tmp_path / "d", detector, model_card="", reference=reference)
    reseal(tmp_path / "d", preprocess=asdict(replace(detector.preprocessing, std=(1e-39,) * 3)))
    with pytest.raises(ContractError, match="finite"):
        load_detector(tmp_path / "d")


@pytest.mark.parametrize("architecture", [{"kind": "resnet"}, {"kind": "resnet", "width": "2"}, {"kind": "none"},
                                          {"kind": "resnet", "width": 3}, {"kind": "timm", "size": None}])  # fmt: skip
def test_a_network_that_cannot_be_built_is_refused(saved, architecture):
    reseal(saved[0], architecture=architecture)
    with pytest.raises(ContractError, match="cannot be opened"):
        load_detector(saved[0])
