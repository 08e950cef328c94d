"""Addresses of Inspect and Upload from before every setting was named by its method: they knew two methods by name."""

import streamlit as st

from core.explainers.lime.regions import LimeSettings
from core.explainers.registry import explainers
from core.explainers.settings import to_parameters
from dashboard.services.address import put_all

# was -> is
RENAMED = {
    "samples": "lime.n_samples",
    "segments": "lime.n_segments",
    "cut_by": "lime.segmentation",
    "fill": "lime.fill",
    "seed": "lime.seed",
    "explains": "lime.target",
    "band_fill": "lime_bands.fill",
}
OF_MAPS = {"stage": "layer", "target": "target"}


def read_old_address() -> None:
    """Rewrite the parameters of an old URL under their present names."""
    said, changes = dict(st.query_params), dict[str, str | None]()
    method = said.get("method")
    if method not in [one.name for one in explainers()]:
        method = "gradcam"
    renamed = RENAMED | {old: f"{method}.{new}" for old, new in OF_MAPS.items()}
    if method != "gradcam":
        changes["methods"] = f"{method},lime"
    if said.get("paper") == "yes":
        changes |= {f"lime.{name}": text for name, text in to_parameters(LimeSettings.paper()).items()}
    changes |= {new: said[old] for old, new in renamed.items() if old in said}
    if said.get("evidence") == "detail":
        changes["evidence"] = "lime_bands"
    put_all(changes | dict.fromkeys((*renamed, "method", "paper")))
