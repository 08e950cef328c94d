"""Parts of the page Overview: the detector's training, the run's record, and the model card."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.detectors.identity import Identified
from core.runs.run import Run
from core.storage import read_bytes
from dashboard.components.downloads import file_button
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, without_pictures
from dashboard.components.words import percent, section
from dashboard.state import Setting
from dashboard.views.overview_parts.curves import draw_training


def draw_training_and_run(run: Run, made_by: Identified | None) -> None:
    """Draw accuracy by epoch beside what identifies the run; `made_by` is its detector, None where it is not here."""
    st.space("small")
    row = st.grid(2, min_column_width=340, gap="large")
    with row.cell():
        _draw_how_trained(made_by)
    with row.cell():
        section(
            "About this run",
            "Enough to reproduce it, and to see whether two runs are the same.",
            help=explain("Run", "Fingerprint", "Temperature"),
        )
        st.table(_facts(run, made_by), border="horizontal")
        file_button(
            "All of it as JSON",
            (json.dumps(run.manifest, indent=1) + "\n").encode,
            file_name=f"{run.name}.json",
            mime="application/json",
            icon=":material/data_object:",
            type="tertiary",
            key="overview.manifest",
            help="The run's own record: its metrics at the run's threshold, hashes, versions.",
        )


def _draw_how_trained(made_by: Identified | None) -> None:
    manifest = made_by.manifest if made_by else {}
    if members := manifest.get("members"):
        section(
            "Training",
            f"This detector is {len(members)} networks side by side, trained one by one. Its margin is the sum of "
            "theirs, each times its weight; the weights were fitted on training images that none of them saw.",
        )
        _draw_members(manifest, members)
        return
    section("Training", "Accuracy after each epoch, one pass over the training images.", help=explain("Epoch"))
    if manifest.get("history"):
        draw_training(manifest["history"])
    elif made_by:
        st.caption("This detector was not trained here, so its accuracy after each epoch is unknown.")
    else:
        st.caption("The detector that made this run is not among the detectors here, so its training is unknown.")


def _draw_members(manifest: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> None:
    """Draw a joined detector's networks, a row for each and one for all of them, and the training of one of them."""
    rows = [
        (
            plain(one["name"]),
            plain(one["recipe"].get("start") or "random weights"),
            f"{one['weight']:.2f}",
            percent(one["val_accuracy"], 2),
        )
        for one in members
    ]
    if "val_accuracy" in manifest:
        rows.append(("all together", "", "", percent(manifest["val_accuracy"], 2)))
    table = pd.DataFrame(rows, columns=["network", "began with", "weight", "accuracy on held-out images"])
    st.table(table.set_index("network"), border="horizontal")
    histories = {str(one["name"]): one["history"] for one in members if one.get("history")}
    if histories:
        name = Setting("network", next(iter(histories)), tuple(histories)).choose("Accuracy after each epoch of")
        draw_training(histories[name])


def _facts(run: Run, made_by: Identified | None) -> dict[str, str]:
    # runs of earlier versions do not say
    manifest, device = run.manifest, str(run.manifest.get("device", "unknown"))
    leaked = f"{manifest['leaked']:,}" if run.leaks_checked else "not checked"
    facts = {
        "Detector": f"{plain(manifest['detector'])}, weights {code(manifest['detector_sha256'][:16])}",
        "Images": f"{plain(manifest['set'])}, fingerprint {code(manifest['set_fingerprint'][:16])}",
        "Created": plain(manifest["created"].replace("T", " ").replace("+00:00", " UTC")),
        "Left out as unreadable": f"{len(manifest['skipped']):,}",
        "Train-test leaks, repeats": f"{leaked}, {manifest['repeats']:,}",
        "Temperature": f"{manifest['temperature']:.3f}: margins are divided by it before they become probabilities",
        "Computed on": plain({"cpu": "CPU", "cuda": "GPU (CUDA or ROCm)", "mps": "Apple GPU"}.get(device, device)),
        "Versions": plain(", ".join(f"{library} {version}" for library, version in manifest["versions"].items())),
    }
    if not run.sealed:
        facts["Seal"] = "not sealed: a change of its manifest would not be noticed; write the run again to seal it"
    if made_by is not None:
        recipe = made_by.manifest.get("recipe", {})
        # those of an ONNX file are not counted
        weights = made_by.manifest.get("parameters")
        facts["Network"] = plain(made_by.about.network_words) + (f", {weights:,} weights" if weights else "")
        if recipe:
            facts["Recipe"] = ", ".join(
                plain(f"{key.replace('_', ' ')} {_yes_no(value)}") for key, value in recipe.items()
            )
    return facts


def _yes_no(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def draw_model_card(detector: Path) -> None:
    """Draw the model card in a detector's folder, folded."""
    with st.expander("Model card: what this detector is for and what it is not for", icon=":material/description:"):
        try:
            card = read_bytes(detector / "README.md").decode()
        except (OSError, UnicodeDecodeError):
            st.error(
                f"{plain(detector.name)}/README.md is missing or cannot be read; restore it to see the model card."
            )
        else:
            # the page has a title of its own
            st.markdown(without_pictures(re.sub(r"^#(?=#* )", "###", card, flags=re.MULTILINE)))
