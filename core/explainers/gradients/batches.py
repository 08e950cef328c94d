"""The common base of methods that explain several images at once."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.explainers.explainer import BATCH, Cancel, Explainer, Pixels, S, Stopwatch, check_pixels
from core.explainers.explanation import Explanation

if TYPE_CHECKING:
    from core.detectors.detector import Detector


class BatchExplainer(Explainer[S]):
    """Base class of methods that explain several images at once, in a single step."""

    def batch_size(self, detector: "Detector", settings: S) -> int:  # noqa: ARG002 - for methods to override
        """Return the number of images that are explained at once."""
        return BATCH

    @abstractmethod
    def explain_part(
        self, detector: "Detector", pixels: Pixels, settings: S, cancel: Cancel | None
    ) -> Iterator[dict[str, Any]]:
        """Explain one batch.

        Args:
            detector: what to explain.
            pixels: uint8 (N, side, side, 3), at most `batch_size` images.
            settings: how.
            cancel: as for `Explainer.explain`.

        Yields:
            For each image `margin` and the fields of `Explanation` that are the method's own.

        Raises:
            Cancelled: `cancel` has answered True.
        """

    def explain(
        self, detector: "Detector", image: Pixels, settings: S, *, cancel: Cancel | None = None
    ) -> Iterator[Explanation]:
        """See `Explainer.explain`; there is one step."""
        yield from self.explain_batch(detector, image[None], settings, cancel=cancel)

    def explain_batch(
        self, detector: "Detector", pixels: Pixels, settings: S, *, cancel: Cancel | None = None
    ) -> Iterator[Explanation]:
        """See `Explainer.explain_batch`."""
        from core.explainers.gradients.activation import Cancelled  # noqa: PLC0415 - torch is read where it is needed

        check_pixels(detector, pixels)
        size = self.batch_size(detector, settings)
        for start in range(0, len(pixels), size):
            part, watch = pixels[start : start + size], Stopwatch()
            try:
                found = list(self.explain_part(detector, part, settings, cancel))
            except Cancelled:
                return
            seconds = watch.seconds / len(part)
            for image, fields in zip(part, found, strict=True):
                yield self.explanation(detector, image, settings, seconds=seconds, **fields)
