"""Every explainer there is, in the order in which they are offered: one line a method. Needs no torch."""

from pkgutil import resolve_name

from core.detectors.manifest import About
from core.explainers.explainer import AnyExplainer
from core.explainers.settings import ExplanationError

# name -> module and the explainer in it, which is imported when it is first asked for; or the explainer itself
EXPLAINERS: dict[str, str | AnyExplainer] = {
    "gradcam": "core.explainers.cam:GRADCAM",
    "layercam": "core.explainers.cam:LAYERCAM",
    "xgradcam": "core.explainers.cam:XGRADCAM",
    "gradcampp": "core.explainers.cam:GRADCAMPP",
    "tokens": "core.explainers.cam:TOKENS",
    "lime": "core.explainers.lime:LIME",
    "lime_grid": "core.explainers.lime:LIME_GRID",
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


def explainers(offers: About | None = None) -> tuple[AnyExplainer, ...]:
    """Return all explainers, or those that can explain a detector (`Explainer.unavailable` says why others cannot)."""
    known = map(find_explainer, EXPLAINERS)
    return tuple(explainer for explainer in known if offers is None or not explainer.unavailable(offers))


def default_explainers(offers: About) -> tuple[AnyExplainer, ...]:
    """Return the two default explainers; where one cannot explain the detector, the next that can replaces it."""

    def is_other(explainer: AnyExplainer) -> bool:
        return explainer.name not in DEFAULT

    return tuple(sorted(explainers(offers), key=is_other)[: len(DEFAULT)])
