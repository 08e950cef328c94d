"""Pictures of the study `bands`: fine and medium detail kept, halved or absent, in three ways, beside their controls.

Fine detail are waves of under 4 pixels, down to 1.4 in the corners of the spectrum; medium detail are waves of 4 to 8.
Each is kept, halved or absent, which makes nine cells, and what is absent is tried in three ways. With the spectrum F
of the image and the gain g (0, 1/2 or 1) of each wave's amplitude, a cell has the spectrum

- removed: g F. The energy falls with g squared.
- scrambled: F u / abs(u), with u = g + sqrt(1 - g^2) exp(i phi) and the phases phi of white noise, shared by the
  channels. Every amplitude stays, and the phase is the mean of the image's own and a random one, weighted by g and
  sqrt(1 - g^2) (weighted mean phase: Dakin et al. 2002, Current Biology 12, R476).
- swapped: g F + sqrt(1 - g^2) D, with the spectrum D of an image of the same verdict. Since two images' waves are
  uncorrelated, the energy goes over from the one to the other and does not fall in between.

The controls change as much energy by a random grey pattern in another band: in coarse detail, which no cell touches, or
in the band that is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from core.arrays import Float32, Float64, Pixels
from core.perturbations.frequency import (
    Ring,
    Spectra,
    energy,
    images_of,
    patterned_elsewhere,
    random_phases,
    ring,
    transplanted,
)
from core.storage.memory import lazy_property

# radii of the spectrum at which bands begin, see `core.perturbations.frequency`: waves of 8 pixels and of 4
MEDIUM_RADIUS = 4
FINE_RADIUS = 8
BANDS = {
    "fine": "fine detail (waves of 1.4 to 4 pixels)",
    "medium": "medium detail (waves of 4 to 8 pixels)",
    "coarse": "coarse detail (waves of 8 pixels and more)",
}
REMOVED = "removed"
SCRAMBLED = "scrambled"
SWAPPED = "swapped"
ABSENCES = {
    REMOVED: "removed",
    SCRAMBLED: "its phases scrambled",
    SWAPPED: "that of another image of the same verdict",
}
# key of a level -> gain, and in words
LEVELS = {"0": (0.0, "absent"), "half": (0.5, "halved"), "1": (1.0, "kept")}
CELLS = tuple(cell for cell in product(LEVELS, LEVELS) if cell != ("1", "1"))
# band that is absent -> bands in which its controls add a pattern, the coarse first
ELSEWHERE = {"fine": ("coarse", "medium"), "medium": ("coarse", "fine")}
# a coarse pattern as large as the change of medium detail, in a picture without fine detail
WITHOUT_FINE = "medium_by_coarse_without_fine_margin"
# what is swapped in, beside the cell `swapped_0_1`
SWAPS = {
    "other_fine": "fine detail of an image of the other verdict",
    "other_rest": "all but fine detail of an image of the other verdict",
    "same_rest": "all but fine detail of another image of the same verdict",
}


def cell_column(absence: str, fine: str, medium: str) -> str:
    """Name the column of a cell: `removed_0_half_margin` has no fine and half of the medium detail."""
    return f"{absence}_{fine}_{medium}_margin"


def control_column(absence: str, band: str, elsewhere: str) -> str:
    """Name the column of a control of the cell in which one band is absent."""
    return f"{absence}_{band}_by_{elsewhere}_margin"


@dataclass(frozen=True, eq=False)
class Originals:
    """N images and what stands in for their absent detail.

    Attributes:
        own: spectra of the images.
        same, other: spectra of their donors with the same and with the other verdict.
        noise: float32 (N, side, side), white noise.
    """

    own: Spectra
    same: Spectra
    other: Spectra
    noise: Float32

    @lazy_property
    def bands(self) -> dict[str, Ring]:
        """The frequencies of each of `BANDS`."""
        side = self.own.shape[1]
        return {
            "fine": ring(FINE_RADIUS, side=side),
            "medium": ring(MEDIUM_RADIUS, FINE_RADIUS, side=side),
            "coarse": ring(0, MEDIUM_RADIUS, side=side),
        }

    def cell(self, absence: str, fine: float, medium: float) -> Spectra:
        """Return the spectra of a cell, see the module.

        Args:
            absence: one of `ABSENCES`.
            fine, medium: gains of the bands, 0 to 1.
        """
        bands = self.bands
        gains = np.ones((*bands["fine"].shape, 1), np.float32)
        gains[bands["fine"]] = fine
        gains[bands["medium"]] = medium
        rest = np.sqrt(1 - gains**2)
        if absence == REMOVED:
            return self.own * gains
        if absence == SWAPPED:
            return self.own * gains + self.same * rest
        turned = gains + rest * random_phases(self.noise)
        return self.own * turned / np.abs(turned)

    def patterned(self, spectra: Spectra, band: str, amount: Float64) -> Pixels:
        """Add a grey pattern of so much energy, float64 (N,), to a band of spectra."""
        outside = ~self.bands[band]
        return patterned_elsewhere(spectra, outside, self.noise[..., None], amount)

    def versions(self) -> Iterator[tuple[str, Pixels]]:
        """Yield each column with its pictures, uint8 (N, side, side, 3)."""
        everywhere = ring(0, side=self.own.shape[1])
        for absence in ABSENCES:
            for fine, medium in CELLS:
                spectra = self.cell(absence, LEVELS[fine][0], LEVELS[medium][0])
                yield cell_column(absence, fine, medium), images_of(spectra)
            without = {"fine": self.cell(absence, 0, 1), "medium": self.cell(absence, 1, 0)}
            amounts = {band: energy(spectra - self.own, everywhere) for band, spectra in without.items()}
            for band, elsewhere in ELSEWHERE.items():
                for other in elsewhere:
                    yield control_column(absence, band, other), self.patterned(self.own, other, amounts[band])
            yield f"{absence}_{WITHOUT_FINE}", self.patterned(without["fine"], "coarse", amounts["medium"])
        fine_ring = self.bands["fine"]
        yield "swap_other_fine_margin", transplanted(self.own, self.other, fine_ring)
        yield "swap_other_rest_margin", transplanted(self.other, self.own, fine_ring)
        yield "swap_same_rest_margin", transplanted(self.same, self.own, fine_ring)
