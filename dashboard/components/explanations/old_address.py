"""Addresses of Inspect and Upload from before every setting was named by its method: they knew two methods by name."""

import streamlit as st

from core.explainers.lime.regions import LimeSettings
from core.explainers.registry import explainers
from core.explainers.settings import to_parameters
from dashboard.services.address import put

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
    said = dict(st.query_params)
    method = said.get("method")
    if method not in [one.name for one in explainers()]:
        method = "gradcam"
    renamed = RENAMED | {old: f"{method}.{new}" for old, new in OF_MAPS.items()}
    if method != "gradcam":
        put("methods", f"{method},lime")
    if said.get("paper") == "yes":
        for name, text in to_parameters(LimeSettings.paper()).items():
            put(f"lime.{name}", text)
    for old, new in renamed.items():
        if old in said:
            put(new, said[old])
    if said.get("evidence") == "detail":
        put("evidence", "lime_bands")
    for old in (*renamed, "method", "paper"):
        put(old, None)
