"""The network that a recipe trains: the paper's, or one of torchvision or timm with a stem for small images."""

import torch
from torch import nn

from core.detectors.manifest import About
from core.detectors.network import NetworkDetector
from core.detectors.registry import find_kind
from core.detectors.resnet import ResNetDetector
from core.detectors.resnet18 import build_network
from core.images.preprocessing import Preprocessing
from core.training.recipe import PAPERS, Recipe

SOURCES = ("torchvision", "timm")


def config_of(recipe: Recipe, side: int) -> tuple[str, dict[str, object]]:
    """Return the kind of a recipe's detector and the settings from which that kind rebuilds its network.

    Raises:
        ValueError: `recipe.arch` has none of the forms that `Recipe` describes.
    """
    if recipe.arch == PAPERS:
        return ResNetDetector.kind, {"width": recipe.width}
    source, _, name = recipe.arch.partition(":")
    if source not in SOURCES or not name:
        raise ValueError(f"arch is {PAPERS}, torchvision:NAME or timm:NAME, not {recipe.arch!r}")
    config: dict[str, object] = {"name": name, "outputs": 2, "stem": side}
    return source, config | ({"size": None} if source == "timm" else {})


def build_for(recipe: Recipe, side: int) -> nn.Module:
    """Build a recipe's network with random weights; torch's global generator is not touched."""
    kind, config = config_of(recipe, side)
    if kind == ResNetDetector.kind:
        return build_network(recipe.width, seed=recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return find_kind(kind).build(config)


def wrap(network: nn.Module, recipe: Recipe, preprocessing: Preprocessing, device: torch.device) -> NetworkDetector:
    """Make a detector of a trained network."""
    kind, config = config_of(recipe, preprocessing.size)
    return find_kind(kind).detector.from_about(network, About(kind, config, preprocessing), device=device)
