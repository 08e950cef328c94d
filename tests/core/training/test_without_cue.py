"""The augmentation that takes fine detail away: what it changes, and that it is drawn from the generator alone."""

import pytest
import torch

from core.training import without_cue
from core.training.without_cue import without_fine_detail

BATCH = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255


def again(seed: int, batch: torch.Tensor = BATCH) -> torch.Tensor:
    return without_fine_detail(batch, torch.Generator().manual_seed(seed))


def fine_power(batch: torch.Tensor) -> torch.Tensor:
    """The power of waves under four pixels, by image."""
    frequency = torch.fft.fftfreq(32)
    fine = torch.hypot(frequency[:, None], frequency) > 0.25
    return (torch.fft.fft2(batch).abs() ** 2)[..., fine].sum((1, 2))


def test_every_image_loses_something_and_keeps_its_shading() -> None:
    made = again(0)
    assert made.shape == BATCH.shape
    assert 0 <= float(made.min()) <= float(made.max()) <= 255
    # pictures on disk have no other
    assert (made == made.round()).all()
    assert (made != BATCH.round()).flatten(1).any(1).all()
    lost = fine_power(made) < 0.9 * fine_power(BATCH)
    assert 0.6 < float(lost.float().mean()) <= 1
    # coarse shading stays
    coarse = torch.nn.functional.avg_pool2d(made - BATCH, 16).abs().mean()
    assert float(coarse) < 4


def test_each_of_the_three_alone_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which of them an image was changed, from the three themselves."""
    drawn: list[torch.Tensor] = []

    def record(pixels: torch.Tensor, chosen: torch.Tensor, _strength: torch.Tensor) -> torch.Tensor:
        drawn.append(chosen)
        return pixels

    monkeypatch.setattr(without_cue, "_low_passed", record)
    monkeypatch.setattr(without_cue, "_compressed", record)
    batch = torch.zeros(4000, 3, 8, 8)
    without_fine_detail(batch, torch.Generator().manual_seed(0))
    low_passed, compressed = (chosen.float().mean() for chosen in drawn)
    # half, and a third of the eighth that none was drawn for
    assert abs(float(low_passed) - 13 / 24) < 0.03
    assert abs(float(compressed) - 13 / 24) < 0.03


def test_it_depends_on_the_seed_alone_and_changes_nothing_in_place() -> None:
    before = BATCH.clone()
    assert (again(3) == again(3)).all()
    assert (again(3) != again(4)).any()
    assert (before == BATCH).all()
