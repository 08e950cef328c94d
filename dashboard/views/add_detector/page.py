"""Add a detector: a detector that others made."""

from pathlib import Path

import streamlit as st

from core.images.decoding import RESAMPLING
from core.runs.folders import ROOT, predict_command
from dashboard import catalogue
from dashboard.components.plain import plain, with_code
from dashboard.components.words import heading
from dashboard.views.add_detector.adding import Outcome, begin_to_add
from dashboard.visitors import for_visitors, is_local

# option -> label, help, choices; without choices it is a text
OPTIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "--weights": ("Weights", "A .safetensors, or a .pth that holds plain tensors.", ()),
    "--classes": ("Classes", "Names of the outputs in their order, with commas between them.", ()),
    "--fake-classes": (
        "FAKE classes",
        "Those of the classes that are FAKE, with commas between them; empty where one output speaks for REAL.",
        (),
    ),
    "--outputs": ("Outputs", "What the network gives for each class.", ("logits", "probabilities")),
    "--size": ("Size", "Pixels along each side of the network's input.", ()),
    "--crop": (
        "Crop",
        "How a picture becomes a square: the central square is cut out before or after resizing (after_floor rounds an "
        "odd offset down); none stretches it.",
        ("before", "after", "after_floor", "none"),
    ),
    "--resize": ("Resize", "Length of the shorter side before the centre is cut out.", ()),
    "--interpolation": ("Resampling filter", "Used for resizing pictures.", tuple(RESAMPLING)),
    "--mean": ("Mean", "One number or three, subtracted from the scaled values.", ()),
    "--std": ("Standard deviation", "One number or three, by which the result is then divided.", ()),
    "--scale": ("Scale", "Factor applied to pixel values of 0 to 255 before normalisation; 1/255 by default.", ()),
    "--output-name": ("Name of the output", "Of an ONNX file with several outputs, the one with the scores.", ()),
    "--target-layer": ("Target layer", "The layer to explain instead of the one that is found.", ()),
    "--check": ("Pictures with known answers", "An image set with a test split: folder or .zip on this computer.", ()),
}


def draw_option(option: str) -> str:
    """Draw the control of an option; return its value, "" where none is given."""
    label, told, choices = OPTIONS[option]
    if choices:
        return st.selectbox(label, choices, index=None, key=f"add.{option}", help=told) or ""
    return st.text_input(label, key=f"add.{option}", help=told)


def forget() -> None:
    """Take the options away once they have served their source: another one has other classes and steps."""
    if st.session_state.pop("add.outcome", (None, Outcome()))[1].found:
        for option, (_, _, choices) in OPTIONS.items():
            st.session_state[f"add.{option}"] = None if choices else ""


heading(
    "Add a detector",
    "Use a detector that others made. Preprocessing and classes are read from its source; what it does not say is "
    "asked for.",
)
if not is_local():
    st.info(
        "Only somebody at the computer that this runs on can add a detector: its source is a path there.",
        icon=":material/lock:",
    )
    st.stop()

name = st.text_input("Name", key="add.name", help="Its name here.", max_chars=100)
source = st.text_input(
    "Source",
    key="add.source",
    on_change=forget,
    placeholder="Hugging Face model folder, FILE.onnx, timm:NAME or torchvision:NAME",
    help="A path on this computer, or a network's name, which takes a file of weights. Detectors that are Python "
    "functions run code; only the command adds those.",
)
typed = name.strip(), source.strip()
# the options that one source lacked are not asked of another
of, outcome = st.session_state.get("add.outcome", (typed, Outcome()))
if of[1] != typed[1]:
    outcome = Outcome()
# those that were asked for stay where they are while they are filled in
asked = [option for option in outcome.options if option in OPTIONS]
values: dict[str, str] = {}
if asked:
    st.markdown("The source does not say:")
    with st.grid(3, min_column_width=220, gap="medium") as grid:
        for option in asked:
            with grid.cell():
                values[option] = draw_option(option)
with st.expander("More options, which override the source"):
    for option in OPTIONS:
        if option not in asked:
            values[option] = draw_option(option)
pressed = st.button("Add", type="primary", disabled=not all(typed))
running = st.session_state.get("add.running")
if pressed and running is None:
    # left empty where it was asked for once the classes were known, it says that none of them is FAKE
    needed = [option for option in asked if option == "--fake-classes" and "--classes" not in asked]
    work = begin_to_add(*typed, values, home=catalogue.homes()[0], needed=needed)
    running = st.session_state["add.running"] = typed, work
if running is not None:
    # a press or a change meanwhile draws the page anew, which waits for the same
    of, work = running
    with st.spinner("Reading, checking and storing the detector"):
        try:
            outcome = work.result()
        except Exception:
            st.session_state.pop("add.running", None)
            raise
        st.session_state["add.outcome"] = of, outcome
        st.session_state.pop("add.running", None)
    if outcome.options and of == typed:
        # with a place for what it asks
        st.rerun()
    # told also where the fields have changed meanwhile
    typed = of
if of != typed:
    # nothing has come of this name yet
    st.stop()
if outcome.error:
    st.error(with_code(for_visitors(outcome.error, homes=catalogue.homes())))
elif outcome.found:
    st.success("The detector is added. Make a run of it on an image set:", icon=":material/check:")
    home = catalogue.homes()[0]
    # relative to the project where that is its home
    folder = (home if home != ROOT else Path()) / "detectors" / typed[0]
    st.code(predict_command(folder, out=home), language="sh")
    st.markdown(
        "\n".join(["| | |", "| --- | --- |", *(f"| {plain(a)} | {plain(b)} |" for a, b in outcome.found.items())])
    )
