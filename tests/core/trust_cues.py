"""A network that looks at one patch and nothing else, and images in which its place is known."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from core.detectors.resnet import ResNetDetector, build_network, round_to_float16
from core.detectors.storage import save_detector
from core.explainers.lime import LIME
from core.images.labels import CLASSES, FAKE, REAL
from core.runs.writing import write_run
from core.studies.runner import Source
from core.studies.shared.explanations import Pass, explain_all

SIDE = 8
PLACES = 16
GRID = np.add.outer(np.arange(32) // 4 * 8, np.arange(32) // 4).astype(np.int16)


def patch_detector(width=2, weight=400):
    """The first channel of each stage is the mean redness of the pixels below it, the second, if any, the blueness.

    Redness is red less the mean of green and blue where that is positive, and speaks for REAL. Each stage that halves
    the size averages 2 x 2 values, so that a position of layer2, layer3 and layer4 sees its own 2 x 2, 4 x 4 and 8 x 8
    pixels alone: the margin map says where the patch is.
    """
    network = build_network(width, seed=0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.running_var.fill_(1 - module.eps)
        network.conv1.weight[:, :, 1, 1] = torch.tensor([[1.0, -0.5, -0.5], [-0.5, -0.5, 1.0]])[:width]
        for stage in (network.layer2, network.layer3, network.layer4):
            for channel in range(width):
                stage[0].conv1.weight[channel, channel, 1:, 1:] = 0.25
                stage[0].conv2.weight[channel, channel, 1, 1] = 1
        network.fc.weight.zero_()
        network.fc.bias.zero_()
        network.fc.weight[REAL, 0] = weight
        network.fc.weight[FAKE, 1:width] = weight
    round_to_float16(network)
    return ResNetDetector(network, manifest={"name": "patch"})


def patch_images():
    """Images in which a chequerboard decides: red and its opposite in REAL ones, blue and its opposite in FAKE ones.

    Both are grey on average, so that their mean colour says nothing. Everything else is grey: soft shading and, in
    three other places, black and white chequerboards, which have the strongest edges of the image.

    Returns:
        uint8 (16, 32, 32, 3), the first half FAKE.
    """
    generator = np.random.default_rng(0)
    n = 16
    odd = np.indices((SIDE, SIDE)).sum(axis=0)[..., None] % 2 * 2 - 1
    shading = generator.uniform(110, 146, (n, 4, 4, 1)).repeat(8, axis=1).repeat(8, axis=2)
    images = (shading + generator.normal(0, 3, (n, 32, 32, 1))).repeat(3, axis=3)
    # no two images of a class have it in one place, so that another image's map is wrong
    places = np.concatenate([generator.permutation(PLACES)[: n // 2] for _ in CLASSES])
    for number, place in enumerate(places):
        axis = np.array([1, -0.5, -0.5]) if number >= n // 2 else np.array([-0.5, -0.5, 1])
        for further in (0, 3, 5, 10):
            row, column = divmod(int(place + further) % PLACES, 4)
            colours = 120 * np.ones(3) if further else 80 * axis
            images[number, SIDE * row : SIDE * (row + 1), SIDE * column : SIDE * (column + 1)] = 128 + odd * colours
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def write_source(home, detector, images):
    """A run of the detector on images, and the detector, on disk."""
    name = detector.name
    save_detector(home / "detectors" / name, detector, model_card=f"# {name}\n")
    run = write_run(home, detector, images, ship_images=True)
    return Source(run, home / "detectors" / name)


def cell_means(values, size=4):
    """The mean of each square cell of values of 32 x 32 pixels, row by row."""
    return values.reshape(32 // size, size, 32 // size, size).mean(axis=(1, 3)).ravel()


def explain_lime_by(patch, study, explain):
    """Put another explanation, a value a cell of `GRID`, in the place of LIME in a study's module."""

    def explain_fully(_lime, detector, image, settings, *, regions):
        assert regions is GRID
        return SimpleNamespace(values=explain(detector, image, settings)[GRID])

    def planted(detector, images, explainer, settings, **stored):
        if explainer is not LIME:
            return explain_all(detector, images, explainer, settings, **stored)
        weights = [explain(detector, image, settings).astype(np.float32) for image in images]
        return [Pass(values[GRID], GRID, values) for values in weights]

    patch.setattr(study, "explain_all", planted)
    patch.setattr(type(LIME), "explain_fully", explain_fully)
