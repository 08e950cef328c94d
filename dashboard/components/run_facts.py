"""What identifies a run and its detector: training, facts, model card."""

import re
from pathlib import Path

import pandas as pd
import streamlit as st

from core.detectors.identity import Identified
from core.runs.run import Run
from core.storage import read_bytes
from dashboard.components import charts, curves
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, without_pictures
from dashboard.components.words import percent, section
from dashboard.state import Setting


def draw_training(made_by: Identified | None) -> None:
    """Draw accuracy by epoch, and the networks of a joined detector."""
    section("Training", "Accuracy after each epoch, one pass over the training images.", help=explain("Epoch"))
    manifest = made_by.manifest if made_by else {}
    history = manifest.get("history")
    if members := manifest.get("members"):
        rows = [
            (plain(member["name"]), f"{member['weight']:.2f}", percent(member["val_accuracy"], 2)) for member in members
        ]
        table = pd.DataFrame(rows, columns=["network", "weight", "accuracy on held-out images"])
        st.table(table.set_index("network"), border="horizontal")
        histories = {str(member["name"]): member["history"] for member in members if member.get("history")}
        if histories:
            history = histories[Setting("network", next(iter(histories)), tuple(histories)).choose("Network")]
    if history:
        charts.show(curves.training(history), key="training", alt="Accuracy by epoch")
    elif not members:
        known = "was not trained here" if made_by else "is not among the detectors here"
        st.caption(f"The detector {known}, so its accuracy after each epoch is unknown.")


def facts_of(run: Run, made_by: Identified | None) -> dict[str, str]:
    """Return what identifies a run and its detector, as Markdown."""
    # runs of earlier versions do not say
    manifest, device = run.manifest, str(run.manifest.get("device", "unknown"))
    leaked = f"{manifest['leaked']:,}" if run.leaks_checked else "not checked"
    facts = {
        "Detector": f"{plain(manifest['detector'])}, weights {code(manifest['detector_sha256'][:16])}",
        "Images": f"{plain(manifest['set'])}, fingerprint {code(manifest['set_fingerprint'][:16])}",
        "Created": plain(manifest["created"].replace("T", " ").replace("+00:00", " UTC")),
        "Left out as unreadable": f"{len(manifest['skipped']):,}",
        "Train-test leakage, repeats": f"{leaked}, {manifest['repeats']:,}",
        "Temperature": f"{manifest['temperature']:.3f}",
        "Computed on": plain({"cpu": "CPU", "cuda": "GPU (CUDA or ROCm)", "mps": "Apple GPU"}.get(device, device)),
        "Versions": plain(", ".join(f"{library} {version}" for library, version in manifest["versions"].items())),
    }
    if not run.sealed:
        facts["Seal"] = "not sealed: a change of its manifest would not be noticed; make the run again to seal it"
    if made_by is not None:
        recipe = made_by.manifest.get("recipe", {})
        # those of an ONNX file are not counted
        weights = made_by.manifest.get("parameters")
        facts["Network"] = plain(made_by.about.network_words) + (f", {weights:,} weights" if weights else "")
        if recipe:
            facts["Recipe"] = ", ".join(plain(f"{key.replace('_', ' ')} {value}") for key, value in recipe.items())
    return facts


def draw_model_card(detector: Path) -> None:
    """Draw the model card in a detector's folder, folded."""
    with st.expander("Model card: what this detector is for and what it is not for", icon=":material/description:"):
        try:
            card = read_bytes(detector / "README.md").decode()
        except (OSError, UnicodeDecodeError):
            st.error(f"{plain(detector.name)}/README.md is missing or cannot be read; restore it to see the card.")
        else:
            # the page has a title of its own
            st.markdown(without_pictures(re.sub(r"^#(?=#* )", "###", card, flags=re.MULTILINE)))
