"""Every explainer there is, in the order in which they are offered: one line a method. Needs no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

from core.detectors.manifest import Offers
from core.explainers.explainer import AnyExplainer
from core.explainers.settings import ExplanationError

# name -> module and the explainer in it, which is read when it is first asked for
_BUILT_IN: dict[str, str] = {
    "gradcam": "core.explainers.cam:GRADCAM",
    "layercam": "core.explainers.cam:LAYERCAM",
    "xgradcam": "core.explainers.cam:XGRADCAM",
    "gradcampp": "core.explainers.cam:GRADCAMPP",
    "scorecam": "core.explainers.cam:SCORECAM",
    "lime": "core.explainers.lime.regions:LIME",
    "lime_grid": "core.explainers.lime.regions:LIME_GRID",
    "lime_bands": "core.explainers.lime.bands:LIME_BANDS",
    "integrated_gradients": "core.explainers.integrated_gradients:INTEGRATED_GRADIENTS",
    "exact": "core.explainers.exact:EXACT",
}
_ADDED: dict[str, AnyExplainer] = {}
# what stands side by side where nobody has asked for others: the paper's two
DEFAULT = ("gradcam", "lime")


def find_explainer(name: str) -> AnyExplainer:
    """The explainer of a name.

    Raises:
        ExplanationError: there is none of that name.
    """
    if name in _ADDED:
        return _ADDED[name]
    if name not in _BUILT_IN:
        raise ExplanationError(f"there is no method {name!r}; these are known: {', '.join((*_BUILT_IN, *_ADDED))}")
    return _load(name)


def explainers(offers: Offers | None = None, *, with_map: bool | None = None) -> tuple[AnyExplainer, ...]:
    """All explainers, or those that can explain a detector.

    Args:
        offers: the detector; see `Explainer.unavailable` for why one is missing.
        with_map: True for only those whose explanations have a map, False for only the others; None for both.
    """
    found = (find_explainer(name) for name in (*_BUILT_IN, *_ADDED))
    return tuple(
        one for one in found if with_map in (None, one.has_map) and (offers is None or not one.unavailable(offers))
    )


def default_explainers(offers: Offers) -> tuple[AnyExplainer, ...]:
    """The two explainers shown by default; where one cannot explain the detector, the next with a map replaces it."""
    fitting = explainers(offers, with_map=True)
    return tuple(sorted(fitting, key=lambda one: one.name not in DEFAULT)[: len(DEFAULT)])


def register(explainer: AnyExplainer) -> None:
    """Add an explainer that is not one of Telltale's own.

    Raises:
        ExplanationError: there is one of that name already.
    """
    if explainer.name in _BUILT_IN or explainer.name in _ADDED:
        raise ExplanationError(f"there is a method {explainer.name!r} already; choose another name")
    _ADDED[explainer.name] = explainer


@contextmanager
def registered(explainer: AnyExplainer) -> Iterator[None]:
    """`register` for as long as the block runs."""
    register(explainer)
    try:
        yield
    finally:
        del _ADDED[explainer.name]


@cache
def _load(name: str) -> AnyExplainer:
    module, attribute = _BUILT_IN[name].split(":")
    found: Any = getattr(import_module(module), attribute)
    assert found.name == name, f"{_BUILT_IN[name]} calls itself {found.name!r}"  # noqa: S101 - a mistake of ours
    loaded: AnyExplainer = found
    return loaded
