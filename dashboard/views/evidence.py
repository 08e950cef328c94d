"""Evidence: what does the detector read?"""

import streamlit as st

from core.findings.words import probes as probe_words
from core.findings.words.transfer import overall
from dashboard import library
from dashboard.components.fold import fold, unfold
from dashboard.components.glossary import explain
from dashboard.components.limits import draw_transfer
from dashboard.components.scroll import ask_for, go_there
from dashboard.components.study import (
    answers,
    bullets,
    card,
    evidence_downloads,
    strong,
    study_download,
    study_fold,
    study_of,
)
from dashboard.components.words import CLASS_WORDS, draw_title
from dashboard.views.evidence_parts import probe as one
from dashboard.views.evidence_parts.answers import draw_answers
from dashboard.views.evidence_parts.neighbours import draw_summary
from dashboard.views.evidence_parts.ranking import draw_ranking, easiest
from dashboard.views.evidence_parts.setup import read_evidence, shown_picture

opened = library.current()

draw_title("What does the detector read?", help=explain("Study", "Control"))
st.markdown(
    "One thing about each image is changed and the detector is run again. If the verdict flips, but not under a "
    "control that changes something else by as much, it rested on that thing. One exception: the control of shuffled "
    "blocks makes the same cuts without shuffling, so it changes less."
)
if opened.table.empty:
    st.info("This run holds no image, so nothing was asked; choose another one on the left.")
    st.stop()

probes = study_of(opened, "probes")
if probes is not None and len(probes.table):
    evidence = read_evidence(opened, probes)
    probe_setting = one.probe_setting(evidence)
    shown = shown_picture(opened, probe_setting.value)
    if summed_up := probe_words.overall(probes.findings):
        st.markdown(strong(summed_up))
    asked = draw_answers(probes.findings, sees=one.ANCHOR)
    with fold("answers", "Every answer in full", "With its controls and the choices that it depends on.") as is_open:
        if is_open:
            bullets(probes.findings)
            st.caption(
                "What this cannot show: the detector was never made for changed pictures, so a verdict that rests on "
                "something does not mean that the detector would recognise it elsewhere. Only what was tried can be "
                "found."
            )
            evidence_downloads(opened, evidence)
    with fold(
        "ranking",
        "Which change flips verdicts most easily?",
        easiest(evidence),
        explained=f"{CLASS_WORDS['FAKE']} and {CLASS_WORDS['REAL']} verdicts are ranked separately, because nearly "
        "every change pushes towards one class. Pictures show an image after the change; click one to see more below.",
        help=explain("Probe", "Control"),
    ) as is_open:
        if is_open:
            asked = draw_ranking(opened, evidence, shown) or asked
    if asked:
        unfold("probe", **{probe_setting.name: probe_setting.text_of(asked)})
        ask_for(one.ANCHOR)
        st.rerun()
    with fold(
        "probe",
        "What does a change do?",
        f"Pictures of it, how verdicts follow as it grows, and which images it flips; here {one.told(probe_setting)}.",
    ) as is_open:
        if is_open:
            one.draw(opened, evidence, shown, probe_setting)

with study_fold(
    opened,
    "transfer",
    "How far does a verdict carry?",
    overall,
    explained="Verdicts on pictures that the detector was not made for. Full-size pictures by other generators and "
    "imitations of its REAL class are separate questions, and the answer depends on the resampling filter. The "
    "rates drawn are of pictures saved as JPEG as CIFAKE's are (quality 75, 4:2:0); intervals resample generators and "
    "photographs, not pictures.",
    help=explain("Transfer", "Resampling filter"),
) as answer:
    if answer is not None:
        draw_transfer(opened, answer)

with study_fold(
    opened,
    "deliveries",
    "Which verdicts survive delivery?",
    answers,
    explained="Every image, resized for the detector, was sent through what pictures go through on their way: JPEG, "
    "WebP, scaling, a screenshot, a messenger. A delivery that leaves fewer pixels than the detector reads does not "
    "count.",
    help=explain("Delivery", "Control"),
) as answer:
    if answer is not None:
        with st.grid(2, min_column_width=300, gap="large") as grid:
            for finding in answer.findings:
                with grid.cell():
                    card(finding)
        study_download(opened, answer)

with study_fold(
    opened,
    "neighbours",
    "Which images look alike to it?",
    answers,
    explained="For each image, the training images (or, without them, the run's other images) with the most similar "
    "features, and whether their labels match the verdict. Features are what the network computes before it decides.",
    help=explain("Neighbours", "Features"),
) as answer:
    if answer is not None:
        draw_summary(opened, answer)
go_there()
