"""Checkpoints of a training: one file for each recipe and training set, in the cache."""

import contextlib
import hashlib
import json
from pathlib import Path

from core.detectors.training.recipe import Recipe
from core.images.image_set import ImageSet
from core.system.atomic import cache_dir


class TrainingInterrupted(RuntimeError):
    """A training that stopped early or cannot continue; the message says what is kept and how to continue."""


def forget_checkpoint(recipe: Recipe, images: ImageSet, *, checkpoints: Path | None = None) -> None:
    """Remove a finished training's checkpoint once the detector is written."""
    # a checkpoint that cannot be removed does not make the training fail
    with contextlib.suppress(OSError):
        checkpoint_file(recipe, images, checkpoints).unlink(missing_ok=True)


def checkpoint_file(recipe: Recipe, images: ImageSet, folder: Path | None = None) -> Path:
    """Return the checkpoint's path in `folder`, by default in the cache: one per recipe and training set."""
    key = hashlib.sha256(json.dumps([recipe.settings(), images.fingerprint]).encode()).hexdigest()[:16]
    return (folder or cache_dir() / "checkpoints") / f"{recipe.name}-{key}.safetensors"
