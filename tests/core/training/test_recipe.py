from collections import Counter
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from core.commands import train as arguments
from core.images.encoding import jpeg
from core.storage.atomic import read_manifest
from core.training import recipe as recipes
from core.training.recipe import (
    FILTERS,
    RECIPES,
    Recipe,
    architecture_of,
    augment,
    build_for,
    fitted,
    learning_rate,
    precision_on,
    without_fine_detail,
)

PLAIN = Recipe(
    name="plain", width=4, epochs=3, batch_size=16, learning_rate=0.05, validation=0.2, precision="float32", flip=False
)


def grain(*shape):
    """float32 (*shape), whole grey levels."""
    return (torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 255).round()


def augmented(batch, seed=0, **changes):
    """The batch, augmented by the plain recipe with these changes."""
    return augment(replace(PLAIN, **changes), batch, torch.Generator().manual_seed(seed))


def test_options_are_those_of_a_recipe():
    types = {field.name: type(field.default) for field in fields(Recipe)}
    assert set(arguments.RECIPES) == RECIPES.keys()
    assert {name: type_ for name, (type_, _) in arguments.HYPER_PARAMETERS.items()}.items() <= types.items()


def test_augmentation_mirrors_half_and_shifts_by_every_amount():
    batch = torch.arange(300 * 3 * 8 * 8).view(300, 3, 8, 8).float()
    moved = augmented(batch, flip=True, shift=1).numpy()
    counts = []
    for images, down, right in product((batch, batch.flip(-1)), range(3), range(3)):
        padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
        same = padded[..., down : down + 8, right : right + 8] == moved
        counts.append(same.all(axis=(1, 2, 3)).sum())
    # each image is one of them, and each of the 18 is as likely
    assert sum(counts) == len(batch)
    assert 5 < min(counts) <= max(counts) < 35
    assert 120 < sum(counts[:9]) < 180
    assert (augmented(batch) == batch).all()


def test_augmentation_is_its_generators_alone():
    batch = grain(60, 3, 16, 16)
    changes = {"flip": True, "shift": 2, "colour": True, "masked_share": 0.5, "without_cue": True}
    first, again, other = (augmented(batch, seed, without_cue_share=0.5, **changes) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).flatten(1).any(1).all()


def test_the_learning_rate_rises_to_its_peak_and_falls_to_almost_none():
    rates = [learning_rate(replace(PLAIN, learning_rate=0.2, warmup=0.25), step, 40) for step in range(40)]
    assert_allclose(rates[:10], 0.2 * np.arange(1, 11) / 10)
    assert_allclose(rates[10:], 0.2 * np.arange(30, 0, -1) / 30)
    constant = replace(PLAIN, learning_rate=0.2, schedule="constant")
    assert {learning_rate(constant, step, 40) for step in range(40)} == {0.2}


def test_a_share_of_the_images_loses_the_cue():
    batch = grain(400, 3, 16, 16)
    for share in (1e-9, 0.25, 1.0):
        after = augmented(batch, without_cue=True, without_cue_share=share)
        touched = (after != batch).flatten(1).any(1).float().mean()
        assert float(touched) == pytest.approx(share, abs=0.07 if share == 0.25 else 1e-6)


def test_a_share_of_the_images_is_masked_in_whole_cells_of_a_grid():
    batch = grain(100, 3, 16, 16)
    masked = augmented(batch, masked_share=0.5)
    changed = (masked != batch).any(1)
    assert 0.35 < float(changed.flatten(1).any(1).float().mean()) < 0.65
    assert 0.1 < float(changed[changed.flatten(1).any(1)].float().mean()) < 0.8
    black = (masked == 0).all(1)[changed.flatten(1).any(1)].flatten(1).float().mean(1)
    assert 0 < float((black > 0.1).float().mean()) < 0.5


def test_settings_are_those_of_manifests_that_were_written_before():
    shipped = read_manifest(Path(__file__).parents[3] / "assets/detectors/swift", "detector")
    assert RECIPES["swift"].settings() == shipped["recipe"]


def test_a_recipe_is_fitted_to_few_or_large_images_alone():
    swift = RECIPES["swift"]
    assert fitted(swift, 100_000, 32) == swift
    few = fitted(swift, 140, 32)
    assert (few.colour, few.validation, few.batch_size) == (True, 0.2, 140 // 8)
    assert few.learning_rate / swift.learning_rate == few.batch_size / swift.batch_size
    assert few.epochs * 140 / few.batch_size >= 400
    large = fitted(swift, 100_000, 224)
    assert (large.epochs, large.colour) == (swift.epochs, False)
    assert large.batch_size * 224**2 < 4.1 * 224**2
    assert fitted(swift, 100_000, 224, is_gpu=True).batch_size == swift.batch_size
    # Adam's steps are as long whatever the batch
    assert fitted(RECIPES["paper"], 140, 32).learning_rate == RECIPES["paper"].learning_rate


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
@pytest.mark.parametrize("has_units", [True, False])
def test_precision_is_half_where_it_is_asked_for_or_fast(monkeypatch, device, has_units):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_units or including_emulation)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_units, "avx2": True})
    by_itself = "bfloat16" if has_units and device != "mps" else "float32"
    for precision, expected in (("float32", "float32"), ("bfloat16", "bfloat16"), ("auto", by_itself)):
        assert precision_on(replace(PLAIN, precision=precision), torch.device(device)) == expected


def test_an_architecture_is_a_kind_with_its_settings_or_refused():
    def kind(arch):
        return architecture_of(replace(PLAIN, arch=arch), 64)

    assert kind("resnet") == ("resnet", {"width": 4})
    assert kind("patch:9") == ("patch", {"field": 9})
    assert kind("torchvision:resnet18") == ("torchvision", {"name": "resnet18", "outputs": 2, "stem": 64})
    assert kind("timm:a:b") == ("timm", {"name": "a:b", "outputs": 2, "stem": 64, "size": None})
    for arch in ("", "patch", "patch:nine", "timm:", "other:resnet18"):
        with pytest.raises(ValueError, match="arch is resnet, patch:SIDE"):
            kind(arch)


def test_each_image_has_gains_a_saturation_and_an_order_of_channels_of_its_own():
    # grey above shows the gains, colour below what is left of it
    above, below = torch.full((3, 1, 2), 100.0), torch.tensor([60.0, 100.0, 140.0]).view(3, 1, 1).expand(3, 1, 2)
    drawn = augmented(torch.cat([above, below], dim=1).expand(400, 3, 2, 2), colour=True).numpy()
    # the same for each of its pixels
    assert (drawn[..., 0] == drawn[..., 1]).all()
    gains = drawn[:, :, 0, 0] / 100
    assert abs(np.corrcoef(gains.T) - np.eye(3)).max() < 0.2
    colours = drawn[:, :, 1, 0] / gains - 100
    # each channel becomes the brightest in a third of the images
    assert min(Counter(colours.argmax(axis=1).tolist()).values()) > 100
    saturations = colours.max(axis=1) / 40
    assert_allclose(np.sort(colours), np.outer(saturations, [-40, 0, 40]), atol=1e-3)
    for values, low, high in ((gains, 0.7, 1.3), (saturations, 0.0, 1.5)):
        assert_allclose([values.min(), values.max()], [low, high], atol=0.05)
        assert low - 1e-4 <= values.min() <= values.max() <= high + 1e-4
    assert augmented(torch.full((50, 3, 2, 2), 250.0), colour=True).max() == 255


def low_passed(image, radius):
    """An image (3, S, S) without frequencies beyond a radius, in sixteenths of the highest."""
    side = image.shape[-1]
    frequency = np.fft.fftfreq(side) * 32
    kept = np.hypot(frequency[:, None], frequency) <= radius
    return np.fft.ifft2(np.fft.fft2(image) * kept).real.clip(0, 255)


def resampled(image, side, how):
    """An image (3, S, S) made small and large again."""
    options = {"antialias": True} if how in ("bilinear", "bicubic") else {}
    small = torch.nn.functional.interpolate(torch.from_numpy(image)[None], (side, side), mode=how, **options)
    return torch.nn.functional.interpolate(small, image.shape[1:], mode="bilinear")[0].numpy().clip(0, 255)


def compressed(image, quality):
    """An image (3, S, S) in whole grey levels as JPEG."""
    return jpeg(image.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0), quality).transpose(2, 0, 1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_each_image_has_one_edit_or_as_many_as_were_drawn(share, monkeypatch):
    for name, value in {"SHARE": share, "RADII": (6.3, 6.3), "SIDES": (0.5, 0.5), "QUALITIES": (60, 60)}.items():
        monkeypatch.setattr(recipes, name, value)
    batch = grain(120, 3, 20, 20)
    changed = without_fine_detail(batch, torch.Generator().manual_seed(0))
    # whole grey levels, as pictures on disk have
    assert (changed == changed.round()).all()
    seen = Counter()
    for before, after in zip(batch.numpy(), changed.numpy(), strict=True):
        smooth = low_passed(before, 6.3).astype(np.float32)
        if share:
            made = {how: compressed(resampled(smooth, 10, how), 60) for how in FILTERS}
        else:
            made = {how: resampled(before, 10, how) for how in FILTERS}
            made |= {"low-pass": smooth, "jpeg": compressed(before, 60)}
        off = {how: np.abs(image - after).mean() for how, image in made.items()}
        best = min(off, key=off.get)
        assert off[best] < (3 if share else 0.5)
        seen[best] += 1
    assert seen.keys() == made.keys()
    if not share:
        # each of three as often; one of them in four ways
        assert min(seen["low-pass"], seen["jpeg"], sum(seen[how] for how in FILTERS)) > 25


def test_strengths_are_of_their_whole_range(monkeypatch):
    low_pass = Mock(side_effect=lambda pixels, *_: pixels)
    compress = Mock(side_effect=lambda image, _: image)
    resize = Mock(side_effect=torch.nn.functional.interpolate)
    monkeypatch.setattr(recipes, "_low_passed", low_pass)
    monkeypatch.setattr(recipes, "jpeg", compress)
    monkeypatch.setattr(recipes.F, "interpolate", resize)
    without_fine_detail(grain(300, 3, 40, 40), torch.Generator().manual_seed(0))
    radii = low_pass.call_args.args[2].tolist()
    # every image is made small, then large again
    sides = [call.kwargs["size"][0] for call in resize.call_args_list[::2]]
    qualities = [call.args[1] for call in compress.call_args_list]
    for values, low, high in ((radii, 5, 14), (sides, 16, 38), (qualities, 30, 90)):
        assert low <= min(values) < low + 3
        assert high - 3 < max(values) <= high


def test_initial_weights_follow_the_seed_alone():
    state = torch.get_rng_state()
    first, again, other = (build_for(replace(PLAIN, seed=seed), 32).conv1.weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("changes", [{"arch": "patch:9"}, {"without_cue": True}, {"masked_share": 0.5},
                                     {"without_cue": True, "without_cue_share": 0.5}, {"start": "swift"}])  # fmt: skip
def test_what_makes_another_training_stands_in_its_settings(changes):
    plain, other = PLAIN.settings(), replace(PLAIN, **changes).settings()
    assert plain.keys() < other.keys()
    assert changes.items() <= other.items()
    assert plain.items() <= other.items()
