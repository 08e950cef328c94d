"""Bands of detail: cells made again by NumPy's transform, controls as large as the change, and planted answers."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from core.findings.answer import answer_of
from core.findings.contrast import find
from core.perturbations.edits import rms
from core.studies.questions.bands import (
    ABSENCES,
    ELSEWHERE,
    STUDY,
    cell_column,
    cell_flips,
    conclude,
    control_column,
    originals,
)
from core.studies.shared.flips import choose_donors
from core.studies.store import conclude_study
from core.studies.study import WEIGHT, Context
from tests.core.cue_detectors import ring_energy

PARAMETERS = {"seed": 0}


@pytest.fixture(scope="module")
def context():
    """Images with energy at all frequencies and a detector that sees one band."""
    cue = ring_energy(40)
    return Context(cue.run(Path("nowhere")), cue, cue.pixels)


def rounded(spectra):
    return np.clip(np.rint(np.fft.ifft2(spectra, axes=(1, 2)).real), 0, 255)


def test_cells_are_made_as_they_say(context):
    rows = np.arange(4, 36)
    images, _ = originals(context, rows, seed=0)
    made = dict(images.versions())
    assert list(made) == list(STUDY.columns)
    donors = choose_donors(context.run, rows)
    own, same, other = (
        np.fft.fft2(context.pixels[at].astype(float), axes=(1, 2)) for at in (rows, donors.same, donors.other)
    )
    waves = np.fft.fftfreq(32) * 32
    radius = np.hypot(waves[:, None], waves)[..., None]
    fine = radius > 8
    medium = (radius > 4) & (radius <= 8)
    half_fine = np.where(fine, 0.5, np.where(medium, 0.0, 1.0))
    rest = np.sqrt(1 - half_fine**2)
    phases = np.fft.fft2(images.noise, axes=(1, 2))[..., None]
    mean_phase = half_fine + rest * phases / np.abs(phases)
    expected = {
        "removed_half_0_margin": own * half_fine,
        "swapped_half_0_margin": own * half_fine + same * rest,
        "scrambled_half_0_margin": own * mean_phase / np.abs(mean_phase),
        "swap_other_fine_margin": np.where(fine, other, own),
        "swap_same_rest_margin": np.where(fine, own, same),
    }
    for column, spectra in expected.items():
        assert np.abs(rounded(spectra) - made[column]).max() <= 1, column
    # controls change as much as the cell beside them
    pixels = context.pixels[rows]
    for absence in ABSENCES:
        for band, elsewhere in ELSEWHERE.items():
            cell = made[cell_column(absence, *(("0", "1") if band == "fine" else ("1", "0")))]
            for control in elsewhere:
                changed = made[control_column(absence, band, control)]
                assert_allclose(rms(changed, pixels).mean(), rms(cell, pixels).mean(), rtol=0.1)
    # of an image alone the same
    table = STUDY.compute(context, rows, PARAMETERS)
    alone = STUDY.compute(context, rows[5:6], PARAMETERS)
    assert_allclose(alone.iloc[0, 1:].astype(float), table.iloc[5, 1:].astype(float), rtol=0.03, atol=0.03)


def test_planted_answers(context):
    run = context.run
    sign = np.where(run.predicted_real, 1.0, -1.0)
    table = STUDY.compute(context, np.arange(len(run)), PARAMETERS).assign(**{WEIGHT: np.float32(1)})
    # nothing flips but where fine detail alone is absent, or where it is scrambled
    for column in STUDY.columns:
        is_flipped = column.endswith(("_0_1_margin", "without_fine_margin")) or column == "scrambled_0_0_margin"
        table[column] = sign * (-3 if is_flipped else 3)
    noise = np.random.default_rng(0).normal(0, 0.1, len(run))
    # a swap moves margins by 1, and another 4 where the fine detail is of the other class
    run.predictions["margin"] = (sign * 3).astype(np.float32)
    table["swapped_0_1_margin"] = table["swap_same_rest_margin"] = table["swap_other_rest_margin"] = sign * (2 + noise)
    table["swap_other_fine_margin"] = sign * (-2 + noise)
    findings = conclude_study("bands", run, table, PARAMETERS)
    for verdict in ("FAKE", "REAL"):
        answers = {name: find(findings, f"{name}-{verdict}") for name in ("fine", "medium", "relative")}
        # a stranger's fine detail flips none here, and scrambling medium detail too brings none back
        assert {name: str(answer_of(one)) for name, one in answers.items() if one is not None} == {
            "fine": "depends on absence", "medium": "no", "relative": "depends on absence",
        }  # fmt: skip
        swaps = [find(findings, f"class-{name}-{verdict}") for name in ("fine", "rest")]
        assert [str(answer_of(one)) for one in swaps if one is not None] == ["yes", "no"]
        assert swaps[0] is not None
        assert (swaps[0].measure.value, swaps[0].control.measure.value) == pytest.approx((5, 1), abs=0.1)
    assert len(findings) == 10
    cells = cell_flips(run, table, "FAKE")
    assert cells["removed"].loc["fine absent", "medium kept"] == 1
    assert cells["removed"].to_numpy().sum() == 1
    # an image without donors has neither swap
    gaps = table.assign(swapped_0_1_margin=np.nan, swap_other_fine_margin=np.nan)
    assert list(conclude(run, gaps.iloc[:0], PARAMETERS)) == []
    fine = find(list(conclude(run, gaps, PARAMETERS)), "fine-FAKE")
    assert fine.measure.value == 1
