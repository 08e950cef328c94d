"""Cut the crops, redraw the FAKE ones with the trained generator, and write sample.zip and manifest.json.

    python -m assets.sample.build --bf16

Needs `pip install diffusers` and the weights that `assets.sample.generator` wrote. What ships is this file's result:
JPEG encoders differ between library versions, and the set's fingerprint must be the same everywhere.
"""

import argparse
import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DModel
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file

from assets.sample.crops import Crop, choose_crops, encode_jpeg
from assets.sample.generator import build_generator, build_scheduler, to_inputs
from assets.sample.settings import ARCHIVE, MANIFEST, PHOTOGRAPHS, SETTINGS, Settings
from core.storage.atomic import cache_dir
from core.storage.limits import sha256_of


@dataclass(frozen=True)
class Entry:
    """One image to be: where it goes, what it is cut from, and the seed it is redrawn with (FAKE only)."""

    photograph: str
    number: int
    crop: Crop
    seed: int

    @property
    def file(self) -> str:
        """Path in the archive; the name up to its last hyphen is the photograph."""
        return f"{PHOTOGRAPHS[self.photograph].split}/{self.crop.label}/{self.photograph}-{self.number:04d}.jpg"

    def row(self, settings: Settings) -> dict[str, Any]:
        """What the manifest says of the image."""
        crop = self.crop
        row: dict[str, Any] = {"file": self.file, "photograph": self.photograph}
        row |= {"box": [crop.left, crop.top, crop.side], "scale": crop.side / 32}
        return row | ({"strength": settings.strength, "seed": self.seed} if crop.label == "FAKE" else {})


def plan(settings: Settings = SETTINGS) -> tuple[list[Entry], NDArray[np.uint8]]:
    """Every image to be, and the crops as cut: uint8 (N, 32, 32, 3)."""
    entries: list[Entry] = []
    cuts = []
    for index, (name, photograph) in enumerate(PHOTOGRAPHS.items()):
        pixels = photograph.read()
        crops = choose_crops(pixels, settings.crops(photograph.split), seed=settings.seed + index, settings=settings)
        for number, crop in enumerate(crops):
            entries.append(Entry(name, number, crop, settings.seed * 1_000_000 + len(entries)))
            cuts.append(crop.cut(pixels, settings))
    return entries, np.stack(cuts)


def redraw(
    network: UNet2DModel,
    pixels: NDArray[np.uint8],
    seeds: list[int],
    *,
    strength: int,
    stride: int = SETTINGS.stride,
    bf16: bool = False,
    batch_size: int = 100,
) -> NDArray[np.uint8]:
    """Image to image, as in SDEdit (Meng et al. 2022): put noise on the pixels, then let the network take it off.

    Args:
        network: from `build_generator`, trained.
        pixels: uint8 (N, 32, 32, 3).
        seeds: one an image; an image does not depend on the batch it is in.
        strength: noise level to begin from.
        stride: levels between two steps.
        bf16: compute in bfloat16.
        batch_size: images at a time.

    Returns:
        uint8 (N, 32, 32, 3).
    """
    scheduler = build_scheduler()
    levels = list(range(strength - 1, -1, -stride))
    scheduler.set_timesteps(timesteps=levels)
    redrawn = []
    for start in range(0, len(pixels), batch_size):
        clean = to_inputs(pixels[start : start + batch_size])
        generators = [torch.Generator().manual_seed(seed) for seed in seeds[start : start + batch_size]]
        noise = torch.stack([torch.randn(clean.shape[1:], generator=generator) for generator in generators])
        sample = scheduler.add_noise(clean, noise, torch.full((len(clean),), strength - 1))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            for level in levels:
                sample = sample.contiguous(memory_format=torch.channels_last)
                predicted = network(sample, level).sample.float()
                sample = scheduler.step(predicted, level, sample, generator=generators).prev_sample
        redrawn.append(((sample.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(redrawn)


def match_colours(redrawn: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give each redrawn image its source's mean and standard deviation in each channel (Reinhard et al. 2001, in RGB).

    A small generator drifts in colour and contrast; without this, those alone would tell the classes apart.

    Args:
        redrawn: uint8 (N, 32, 32, 3).
        source: uint8, likewise: the crops as cut.

    Returns:
        uint8 (N, 32, 32, 3).
    """
    values, wanted = redrawn.astype(np.float64), source.astype(np.float64)
    axes = (1, 2)
    # a channel that is constant has no contrast to scale
    spread = np.maximum(values.std(axes, keepdims=True), 1.0)
    matched = (values - values.mean(axes, keepdims=True)) / spread * wanted.std(axes, keepdims=True)
    return np.clip(np.rint(matched + wanted.mean(axes, keepdims=True)), 0, 255).astype(np.uint8)


def write_archive(path: Path, files: dict[str, bytes]) -> None:
    """A .zip that depends on its contents only: sorted, stored, one date, one set of permissions."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, files[name])


def write_manifest(
    path: Path, weights: Path, entries: list[Entry], files: dict[str, bytes], settings: Settings
) -> None:
    """Settings, photographs, versions and hashes, and then a line for each image."""
    packages = ("diffusers", "matplotlib", "numpy", "pillow", "scikit-image", "scikit-learn", "torch")
    head: dict[str, Any] = {
        "settings": asdict(settings),
        "photographs": {name: asdict(photograph) for name, photograph in PHOTOGRAPHS.items()},
        "versions": {package: version(package) for package in packages},
        "generator_sha256": sha256_of(weights),
        "archive_sha256": sha256_of(ARCHIVE),
    }
    with safe_open(weights, "pt") as file:
        head["generator_training"] = file.metadata()
    rows = []
    for entry in sorted(entries, key=lambda entry: entry.file):
        digest = hashlib.sha256(files[entry.file]).hexdigest()
        rows.append(json.dumps({**entry.row(settings), "sha256": digest}))
    text = json.dumps(head, indent=1)[:-2] + ',\n "images": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n"
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = cache_dir() / "sample-generator" / "generator.safetensors"
    parser.add_argument("--generator", type=Path, default=default, help="weights from assets.sample.generator")
    parser.add_argument("--bf16", action="store_true", help="on a processor with AMX this is about twice as fast")
    arguments = parser.parse_args()
    network = build_generator().eval()
    network.load_state_dict(load_file(arguments.generator))
    entries, pixels = plan()
    fake = np.array([entry.crop.label == "FAKE" for entry in entries])
    seeds = [entry.seed for entry in entries if entry.crop.label == "FAKE"]
    redrawn = redraw(network, pixels[fake], seeds, strength=SETTINGS.strength, bf16=arguments.bf16)
    pixels[fake] = match_colours(redrawn, pixels[fake])
    files = {entry.file: encode_jpeg(image) for entry, image in zip(entries, pixels, strict=True)}
    write_archive(ARCHIVE, files)
    write_manifest(MANIFEST, arguments.generator, entries, files, SETTINGS)
    print(f"{len(files)} images, {ARCHIVE.stat().st_size / 1e6:.2f} MB in {ARCHIVE}")


if __name__ == "__main__":
    main()
