"""An explainer that Telltale does not have: a test registers it and looks for it everywhere."""

from contextlib import contextmanager

import numpy as np

from core.explainers.explainer import BatchExplainer
from core.explainers.explanation import map_diagnostics
from core.explainers.registry import EXPLAINERS
from core.explainers.settings import ExplainerSettings, describe, setting


class BrightSettings(ExplainerSettings):
    """How bright is bright."""

    grey: int = setting(128, low=0, high=255, label="Middle grey", help="What is brighter speaks for REAL.")
    colour: str = setting(
        "all", label="Channel", help="Which channel is looked at.", names={"red": "only red"}, advanced=True
    )


class Bright(BatchExplainer[BrightSettings]):
    """Says that bright pixels speak for REAL, whatever the detector thinks."""

    name = "bright"
    title = "Brightness"
    sentence = "How much brighter than grey each pixel is."
    settings = BrightSettings

    def explain_part(self, detector, pixels, settings, cancel):
        """One step."""
        for image, margin in zip(pixels, detector.margins(pixels).tolist(), strict=True):
            seen = image[..., 0] if settings.colour == "red" else image.mean(axis=2)
            values = seen.astype(np.float32) - settings.grey
            yield {"margin": margin, "values": values, "unit": "grey levels", "diagnostics": map_diagnostics(values)}

    def cost(self, settings):
        """The margin."""
        return 1


BRIGHT = Bright()


def to_parameters(settings):
    """Name -> text of every setting that is not at its default, for a URL or a command line."""
    found = {one.name: (one, getattr(settings, one.name)) for one in describe(type(settings))}
    return {name: one.text(value) for name, (one, value) in found.items() if value != one.default}


@contextmanager
def registered(explainer):
    """Offer an explainer as long as the block runs."""
    EXPLAINERS[explainer.name] = explainer
    try:
        yield
    finally:
        del EXPLAINERS[explainer.name]
