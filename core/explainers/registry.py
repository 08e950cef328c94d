"""Every explainer there is, in the order in which they are offered: one line a method. Needs no torch."""

from pkgutil import resolve_name

from core.detectors.manifest import Offers
from core.explainers.explainer import AnyExplainer
from core.explainers.settings import ExplanationError

# name -> module and the explainer in it, which is imported when it is first asked for; or the explainer itself
EXPLAINERS: dict[str, str | AnyExplainer] = {
    "gradcam": "core.explainers.cam:GRADCAM",
    "layercam": "core.explainers.cam:LAYERCAM",
    "xgradcam": "core.explainers.cam:XGRADCAM",
    "gradcampp": "core.explainers.cam:GRADCAMPP",
    "tokens": "core.explainers.cam:TOKENS",
    "lime": "core.explainers.lime.lime:LIME",
    "lime_grid": "core.explainers.lime.lime:LIME_GRID",
    "integrated_gradients": "core.explainers.integrated_gradients:INTEGRATED_GRADIENTS",
    "exact": "core.explainers.exact:EXACT",
}
# what stands side by side where nobody has asked for others: the paper's two
DEFAULT = ("gradcam", "lime")


def find_explainer(name: str) -> AnyExplainer:
    """Return the explainer of a name.

    Raises:
        ExplanationError: there is none of that name.
    """
    if name not in EXPLAINERS:
        raise ExplanationError(f"there is no method {name!r}; these are known: {', '.join(EXPLAINERS)}")
    entry = EXPLAINERS[name]
    if not isinstance(entry, str):
        return entry
    explainer: AnyExplainer = resolve_name(entry)
    return explainer


def explainers(offers: Offers | None = None, *, with_map: bool | None = None) -> tuple[AnyExplainer, ...]:
    """Return all explainers, or those that can explain a detector.

    Args:
        offers: the detector; see `Explainer.unavailable` for why one is missing.
        with_map: True for only those whose explanations have a map, False for only the others; None for both.
    """
    fitting = []
    for explainer in map(find_explainer, EXPLAINERS):
        can_explain = offers is None or not explainer.unavailable(offers)
        if can_explain and with_map in (None, explainer.has_map):
            fitting.append(explainer)
    return tuple(fitting)


def default_explainers(offers: Offers) -> tuple[AnyExplainer, ...]:
    """Return the two default explainers; where one cannot explain the detector, the next with a map replaces it."""
    fitting = explainers(offers, with_map=True)
    usual = [explainer for explainer in fitting if explainer.name in DEFAULT]
    others = [explainer for explainer in fitting if explainer.name not in DEFAULT]
    return tuple([*usual, *others][: len(DEFAULT)])
