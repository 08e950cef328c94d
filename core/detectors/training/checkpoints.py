"""Checkpoints of a training: one file for each recipe and training set, in the cache."""

import contextlib
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from core.detectors.training.recipe import Recipe
from core.images.image_set import ImageSet
from core.system.atomic import cache_dir


class TrainingInterrupted(RuntimeError):
    """A training that stopped early or cannot go on; the message says what is kept and how to go on."""


def forget_checkpoint(recipe: Recipe, images: ImageSet, *, checkpoints: Path | None = None) -> None:
    """Remove a finished training's checkpoint, once what came of it is written."""
    # one that stays takes room, and that is no reason to call a finished training failed
    with contextlib.suppress(OSError):
        checkpoint_file(recipe, images, checkpoints).unlink(missing_ok=True)


def checkpoint_file(recipe: Recipe, images: ImageSet, folder: Path | None = None) -> Path:
    """The checkpoint's path in `folder`, by default in the cache: one for each recipe and training set."""
    key = hashlib.sha256(json.dumps([asdict(recipe), images.fingerprint]).encode()).hexdigest()[:16]
    return (folder or cache_dir() / "checkpoints") / f"{recipe.name}-{key}.safetensors"
