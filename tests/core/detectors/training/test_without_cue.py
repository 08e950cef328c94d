"""The augmentation that takes fine detail away: what it changes, and that it is drawn from the generator alone."""

import torch

from core.detectors.training.without_cue import without_fine_detail

BATCH = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255


def again(seed: int, batch: torch.Tensor = BATCH) -> torch.Tensor:
    return without_fine_detail(batch, torch.Generator().manual_seed(seed))


def fine_power(batch: torch.Tensor) -> torch.Tensor:
    """The power of waves under four pixels, by image."""
    frequency = torch.fft.fftfreq(32)
    fine = torch.hypot(frequency[:, None], frequency) > 0.25
    return (torch.fft.fft2(batch).abs() ** 2)[..., fine].sum((1, 2))


def test_most_images_lose_fine_detail_and_some_are_left_as_they_are() -> None:
    made = again(0)
    assert made.shape == BATCH.shape
    assert 0 <= float(made.min()) <= float(made.max()) <= 255
    lost = fine_power(made) < 0.9 * fine_power(BATCH)
    assert 0.4 < float(lost.float().mean()) < 0.95
    same = (made == BATCH).flatten(1).all(1)
    # one in eight is drawn for none of the three
    assert 1 <= int(same.sum()) <= 20
    # coarse shading stays
    coarse = torch.nn.functional.avg_pool2d(made - BATCH, 16).abs().mean()
    assert float(coarse) < 4


def test_it_depends_on_the_seed_alone_and_changes_nothing_in_place() -> None:
    before = BATCH.clone()
    assert (again(3) == again(3)).all()
    assert (again(3) != again(4)).any()
    assert (before == BATCH).all()
