"""These tests plant what two methods say; what the rest of the registry says of them is asked in test_judged.py."""

from collections.abc import Iterator

import pytest

from core.explainers.gradients.cams import GRADCAM
from core.explainers.lime.regions import LIME
from core.studies.trust import judged


@pytest.fixture(scope="module", autouse=True)
def two_methods() -> Iterator[None]:
    """Only Grad-CAM and LIME are judged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judged, "explainers", lambda with_map: (GRADCAM, LIME))
        yield
