"""A map handed to torchcam's metric as if an extractor had made it."""

from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from core.detectors.detector import Detector


class GivenMap:
    """What torchcam's metric wants of an extractor, with a map that is given."""

    def __init__(self, detector: Detector, values: NDArray[np.floating]) -> None:
        self.model = detector.network
        self.values = torch.from_numpy(values)[None]

    def __call__(self, *_arguments: object, **_settings: object) -> list[torch.Tensor]:
        """The map."""
        return [self.values]

    def fuse_cams(self, cams: list[torch.Tensor]) -> torch.Tensor:
        """The only one."""
        return cams[0]

    def _hooks_off(self) -> nullcontext[None]:
        return nullcontext()
