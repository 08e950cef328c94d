"""Deletion and insertion curves against torchcam's and plain loops."""

from itertools import product
from unittest.mock import MagicMock

import numpy as np
import torch
from numpy.testing import assert_allclose
from torchcam.metrics import DeletionInsertionMetric

from core.explainers.deletion import areas, deletion_curves
from core.images.labels import FAKE, REAL
from core.perturbations.masking import fill_image


def test_areas_are_those_of_torchcams_metric(tiny_detector, pixels):
    """With a segment a pixel, as torchcam ranks pixels; two maps under two fills at once."""
    fills = ["blur", "black"]
    each = np.arange(1024).reshape(32, 32)
    for number, image in enumerate(pixels[::8]):
        maps = np.random.default_rng(number).normal(size=(2, 32, 32))
        ours = deletion_curves(tiny_detector.margins, image, each, values=maps.reshape(2, -1), fills=fills, steps=8)
        for (at, values), (of, fill) in product(enumerate(maps), enumerate(fills)):
            # an extractor whose map is given
            extractor = MagicMock(return_value=[torch.from_numpy(values)[None]], model=tiny_detector.network)
            extractor.fuse_cams = lambda cams: cams[0]
            baseline = tiny_detector.inputs(fill_image(image, each, fill=fill)[None])
            metric = DeletionInsertionMetric(extractor, steps=8, baseline=baseline)
            metric.update(tiny_detector.inputs(image[None]), targets=lambda logits: logits[REAL] - logits[FAKE])
            found = metric.summary()
            assert_allclose(areas(ours.deletion)[at, of], found["deletion_auc"], rtol=1e-3, atol=1e-4)
            assert_allclose(areas(ours.insertion)[at, of], found["insertion_auc"], rtol=1e-3, atol=1e-4)
