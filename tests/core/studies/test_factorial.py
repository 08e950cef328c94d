"""The coarse by fine factorial: cells made again by NumPy's transform, and effects that were planted."""

from pathlib import Path

import numpy as np
import pytest

from core.findings.claims import claim_status
from core.studies.donors import choose_donors
from core.studies.factorial import SWAPS, cell_text, conclude, margins_of, radii
from tests.core.cues import CUES
from tests.core.studies.counted import PARAMETERS, asked_of, counted


@pytest.mark.parametrize("name", ["ring", "mean_colour"])
def test_cells_are_margins_of_pictures_that_are_put_together_here(name: str, tmp_path: Path) -> None:
    (run, table), cue = asked_of(name, tmp_path), CUES[name]()
    donors = choose_donors(run, np.arange(len(run)))
    spectra = np.fft.fft2(cue.pixels.astype(float), axes=(1, 2))
    waves = np.fft.fftfreq(32) * 32
    fine = np.hypot(waves[:, None], waves) > 8

    def margins(coarse_of: np.ndarray, fine_of: np.ndarray) -> np.ndarray:
        mixed = np.where(fine[..., None], spectra[fine_of], spectra[coarse_of])
        pixels = np.rint(np.clip(np.fft.ifft2(mixed, axes=(1, 2)).real, 0, 255)).astype(np.uint8)
        return cue.margins(pixels)

    own, same, other = np.arange(len(run)), donors.same, donors.other
    # the donors' own donors, of the class that the cell names
    expected = [
        [margins(own, own), margins(own, same), margins(own, other)],
        [margins(same, same[same]), margins(same, same), margins(same, other[same])],
        [margins(other, own), margins(other, other[other]), margins(other, other)],
    ]
    cells = margins_of(run, table, PARAMETERS)["8"]
    np.testing.assert_allclose(cells, expected, rtol=0.02, atol=0.06)


def test_planted_effects_are_concluded(tmp_path: Path) -> None:
    run, table = counted({}, {}, tmp_path)
    real = (run.predictions["predicted"] == "REAL").to_numpy()
    sign = np.where(real, 1.0, -1.0)
    noise = np.random.default_rng(0).normal(0, 0.05, (3, len(run)))
    # coarse content is worth 1 and fine detail 2, and halves that fit make a FAKE picture FAKE by 3 more
    run.predictions["margin"] = (sign * 3 - 3 * ~real).astype(np.float32)
    swapped = dict(zip(SWAPS, (sign * (1 - 2), sign * (1 + 2), sign * (2 - 1)), strict=True))
    for radius in radii(table):
        table = table.assign(**{f"{key}_{radius}": swapped[key] + noise[n] for n, key in enumerate(SWAPS)})
    findings = list(conclude(run, table, PARAMETERS))
    found = {finding.key: finding for finding in findings}
    assert len(found) == 6
    # by hand, towards the verdict: own 6, with the other's fine half -1, its coarse half 1, the other itself -3, and
    # within the class 6, 3, 3, 6; for REAL verdicts 3, -1, 1, -6 and 3, 3, 3, 3
    for verdict, fit in (("FAKE", 3), ("REAL", 0)):
        for name, size in (("coarse", 3.5), ("fine", 5.5)):
            finding = found[f"factorial-{name}-{verdict}"]
            assert finding.difference.value == pytest.approx(size, abs=0.05)
            assert claim_status(finding).kind == "holds"
        assert found[f"factorial-fit-{verdict}"].measure.value == pytest.approx(fit, abs=0.05)
    assert claim_status(found["factorial-fit-FAKE"]).sign == 1
    text = cell_text(findings).set_index(["verdict", "coarse half"])
    assert text.loc[("FAKE", "own"), "own"].startswith("\N{MINUS SIGN}6.00")
    assert text.loc[("REAL", "other class"), "own"].startswith(("0.9", "1.0"))
    assert not list(conclude(run, table.drop(columns=["lend_8", "lend_10", "lend_12"]), PARAMETERS))
