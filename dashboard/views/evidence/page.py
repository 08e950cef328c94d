"""Evidence: what does the detector read?"""

import streamlit as st

from dashboard.components.glossary import explain
from dashboard.components.studies.downloads import evidence_downloads, study_download
from dashboard.components.studies.finding_words import bullets, card
from dashboard.components.studies.out_of_distribution import draw_transfer
from dashboard.components.studies.study import study_of
from dashboard.components.words import CLASS_WORDS, draw_title, section
from dashboard.services import library
from dashboard.views.evidence import probe as one
from dashboard.views.evidence.answers import draw_answers
from dashboard.views.evidence.neighbours import draw_summary, searched
from dashboard.views.evidence.ranking import draw_ranking
from dashboard.views.evidence.setup import read_evidence, shown_picture

opened = library.current()

draw_title("What does the detector read?", help=explain("Study", "Control"))
st.markdown(
    "One thing about each picture is changed, and the detector is asked again. Where the verdict flips, and does not "
    "flip under any control, it rested on that thing."
)
if opened.table.empty:
    st.info("This run holds no image, so nothing was asked; choose another one on the left.")
    st.stop()

probes = study_of(opened, "probes")
if probes is not None and len(probes.table):
    evidence = read_evidence(opened, probes)
    probe_setting = one.probe_setting(evidence)
    shown = shown_picture(opened, probe_setting.value)
    asked = draw_answers(probes.findings, sees=one.ANCHOR)
    with st.expander("Every answer in full, with its controls and the choices that it depends on"):
        bullets(probes.findings)

    st.space("small")
    section(
        "Which change turns verdicts most easily",
        f"{CLASS_WORDS['FAKE']} and {CLASS_WORDS['REAL']} verdicts stand apart, because nearly every change pushes "
        "towards one of the two. The picture shows an image after the change; a click on it goes to it below.",
        help=explain("Probe", "Control"),
    )
    asked = draw_ranking(opened, evidence, shown) or asked

    st.space("small")
    if asked and asked != probe_setting.value:
        probe_setting.set(asked)
        st.rerun()
    st.subheader("See what a change does", anchor=one.ANCHOR, help=explain("Low-pass", "Spectrum"))
    st.caption("One picture under every strength of the change, and under its control, which changes as much else.")
    probe = one.choose_probe(probe_setting)
    one.draw_pictures(evidence, shown, probe)

    st.space("small")
    section(
        "How verdicts follow as the change grows",
        f"Share of verdicts that turn, with 95 % intervals: ● {CLASS_WORDS['FAKE']}, ■ {CLASS_WORDS['REAL']}, dashed "
        "and hollow the control. A cue that matters rises with the change and leaves its control behind.",
        help=explain("Interval", "Control"),
    )
    one.draw_responses(evidence, probe)

    st.space("small")
    section(
        "Whom it turns",
        "The same by group; dashed the share of all. A group that stands out has pictures that rest on this more than "
        "others do. A click shows them.",
    )
    one.draw_groups(opened, evidence, probe)
    evidence_downloads(opened, evidence)
    st.caption(
        "What this cannot show: a changed picture is one that the detector was never made for, so that a verdict hangs "
        "on a thing does not say that it would recognise the thing elsewhere. Only what was tried can be found."
    )

st.space("medium")
section(
    "How far a verdict carries",
    "What it says of pictures that it was not made for. Pictures drawn large by other generators and imitations of its "
    "REAL class are two questions, and the filter that resizes a picture is part of the answer. All are saved as JPEG "
    "like its training images; intervals resample generators and photographs, not pictures.",
    help=explain("Transfer", "Resampling filter"),
)
transfer = study_of(opened, "transfer")
if transfer is not None:
    draw_transfer(opened, transfer)

st.space("medium")
section(
    "Which verdicts survive delivery",
    "Every image was sent through what pictures go through on their way: JPEG, WebP, scaling, a screenshot, a "
    "messenger. A delivery that leaves fewer pixels than the detector reads does not count.",
    help=explain("Control"),
)
deliveries = study_of(opened, "deliveries")
if deliveries is not None:
    with st.grid(2, min_column_width=300, gap="large") as grid:
        for finding in deliveries.findings:
            with grid.cell():
                card(finding)
    study_download(opened, deliveries)

st.space("medium")
head = st.container()
neighbours = study_of(opened, "neighbours")
with head:
    section(
        "What images are like to it",
        f"For each image the {searched(neighbours)} whose features, what the network has made of them before it "
        "decides, are most alike, and whether their labels say what the detector says.",
        help=explain("Neighbours", "Features"),
    )
if neighbours is not None:
    draw_summary(opened, neighbours)
