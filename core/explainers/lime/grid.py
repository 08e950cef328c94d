"""LIME on a regular grid: the same squares for every image, so that explanations of two images can be compared."""

from dataclasses import dataclass

from core.explainers.explainer import Pixels
from core.explainers.lime.regions import RegionLime, Regions
from core.explainers.lime.segmentation import grid
from core.explainers.lime.settings import RegionSettings
from core.explainers.settings import setting


@dataclass(frozen=True)
class GridSettings(RegionSettings):
    """How LIME is run on a grid.

    Attributes:
        cells: along each side, at most one for each pixel.
    """

    cells: int = setting(
        8,
        label="Cells along each side",
        help="8 makes 64 squares. More are finer and take more samples to tell apart.",
        low=1,
        offers=(4, 6, 8, 10, 12, 16),
    )


class GridLime(RegionLime[GridSettings]):
    """LIME on a regular grid; what is covered does not depend on the image."""

    name = "lime_grid"
    title = "LIME on a grid"
    sentence = "How the verdict changes when random sets of squares of a regular grid are covered, many times."
    settings = GridSettings

    def cut(self, image: Pixels, settings: GridSettings) -> Regions:
        """See `RegionLime.cut`."""
        if settings.cells > len(image):
            raise ValueError(f"cells must be from 1 to the image's {len(image)} pixels a side, not {settings.cells}")
        return grid(*image.shape[:2], rows=settings.cells, columns=settings.cells)


LIME_GRID = GridLime()
