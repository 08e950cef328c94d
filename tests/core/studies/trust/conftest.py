"""These tests plant the results of two methods; test_judged.py covers the other methods of the registry."""

from collections.abc import Iterator

import pytest

from core.explainers.cam import GRADCAM
from core.explainers.lime.regions import LIME
from core.studies import explanations as judged


@pytest.fixture(scope="module", autouse=True)
def two_methods() -> Iterator[None]:
    """Only Grad-CAM and LIME are judged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judged, "explainers", lambda with_map: (GRADCAM, LIME))
        yield
