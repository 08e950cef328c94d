"""Data: what else could the detector learn?"""

import streamlit as st

from core.findings.finding import Measure
from core.findings.lines import joined
from core.findings.words import audit as words
from core.findings.words import tell
from core.studies.audit.summary import concerns, guessing, rings, yardsticks
from dashboard import library
from dashboard.components import charts
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain
from dashboard.components.study import NOT_MEASURED, draw_lacking, markdown, readable
from dashboard.components.words import heading, listed, section
from dashboard.views.data_parts import audit as parts
from dashboard.views.data_parts import charts as audit_charts
from dashboard.views.data_parts.copies import draw_counts, draw_pairs
from dashboard.views.data_parts.cues import draw_cues

opened = library.current()
audit, duplicates = readable(opened, "audit"), readable(opened, "duplicates")
heading(
    "What shortcuts could it have learned?",
    f"If the REAL images of **{plain(opened.run.manifest['set'])}** were simply brighter, a detector could be right "
    "and know nothing of image generators. This page tests such cues one by one.",
    markdown(words.overall(audit.findings)) if audit is not None else None,
)
if opened.table.empty:
    st.info("This run holds no image, so there is nothing to audit; choose another one on the left.")
    st.stop()
if audit is None:
    st.info(
        f"The data of {plain(opened.run.name)} has not been audited yet. To do so, run {code(parts.command(opened))} "
        "and reload this page; it takes two minutes for the 120,000 images of CIFAKE. If CIFAKE is not in data/cifake, "
        "add `--data PATH`.",
        icon=":material/science:",
    )
    draw_cues(opened)
    st.stop()

probes = readable(opened, "probes", concluded=False)
found = concerns(audit)
facts = [one for one in found if one.key != "leak"]
flaws = [one for one in facts if one.is_flaw]
parts.headlines(opened, audit, facts, duplicates)

section(
    "How well each cue separates the classes",
    "AUROC of each cue alone: given one REAL and one FAKE image, how often does it rank them correctly? Guessing gets "
    "50 of 100 pairs. The diamond is the detector on images matched on the cue, where the cue cannot help: as long as "
    "it stays far right, the detector uses something else as well.",
    help=explain(
        "AUROC",
        also="Here times 100, with 95% intervals (DeLong 1988), for a rule that may use the cue in any way, fitted to "
        "the training images where available. Matched: in the same twentieth of all images.",
    ),
)
network = next((one.lean.control.measure for one in found if one.lean.control is not None), Measure(float("nan")))
told_apart = " ".join(str(tell(one.cue).answer) for one in found)
if found:
    charts.show(audit_charts.told_apart(found, network), key="data.apart", alt=told_apart)
if not facts:
    st.info("There are too few images of each class to test a cue.", icon=":material/info:")

for group in parts.together(flaws):
    parts.concern_row(opened, group, audit, probes)
if facts and not flaws:
    st.markdown("No cue separates the classes by more than the best of ten might by chance.")
if rest := [one for one in facts if not one.is_flaw]:
    names = listed([plain(one.name.title.lower()) for one in rest])
    with fold(
        "harmless",
        f"{len(rest)} of {len(facts)} cues barely separate the classes, if at all",
        f"{names[0].upper()}{names[1:]}.",
    ) as is_open:
        if is_open:
            parts.harmless(opened, rest)

draw_cues(opened)
ring, baseline = parts.told(audit, "ring").answer, parts.told(audit, "baseline.spectrum").whole
with fold(
    "spectrum",
    "Does fineness alone separate the classes?",
    markdown(ring),
    explained="How much detail of each fineness images hold: medians, and the middle half of the images. Where the "
    "bands separate, fineness alone separates the classes. A ring of the spectrum is all detail of one fineness, in "
    "any direction.",
    help=explain("Spectrum"),
) as is_open:
    if is_open:
        charts.show(audit_charts.spectrum(rings(audit)), key="data.spectrum", alt=f"Power by ring and class. {ring}")
with fold(
    "baseline",
    "How far does a logistic regression get?",
    markdown(baseline),
    explained="The accuracy of a regression on a few numbers, trained on the training images and tested on these. That "
    "much is no credit to the network. Guessing gets the share of the larger class.",
    help=explain("Baseline", "Logistic regression", "AUROC"),
) as is_open:
    if is_open:
        figure = audit_charts.beside(yardsticks(audit), guessing=guessing(opened.run))
        charts.show(figure, key="data.beside", alt=str(baseline))
leak = next((one for one in found if one.key == "leak"), None)
with fold(
    "copies",
    "Are test images copies of training images?",
    NOT_MEASURED if duplicates is None or leak is None else markdown(tell(leak.cue).answer),
    explained="An image that the detector was trained on is no test, and a repeated one counts twice. Copies with the "
    "other label are worse: one of the two labels is wrong.",
    help=explain("Leak", "Repeat", "Near copy"),
) as is_open:
    if is_open and duplicates is None:
        st.info(f"Copies have not been looked for yet: run {code(parts.command(opened))}.", icon=":material/science:")
    elif is_open and duplicates is not None:
        draw_lacking(opened, duplicates)
        draw_counts(opened, duplicates)
        if leak is not None:
            st.markdown(markdown(tell(leak.cue).whole))
            st.caption(markdown(tell(leak.lean).whole))
        inside = [tell(one).whole for one in audit.findings if one.quantity == "copies"]
        if inside:
            st.caption(markdown(joined(inside)))
        st.markdown("**Pairs to look at**")
        draw_pairs(opened, duplicates)
with fold(
    "limits", "What are the limits?", "Only these cues were tested, and a difference is not an explanation."
) as is_open:
    if is_open:
        st.markdown(
            "- Only the cues named here are tested. A set without a finding may differ in something else.\n"
            "- What separates the classes may be what generators do: poorer detail can be a flaw of the data or the "
            "very mark of AI. The audit shows that it is there, not why.\n"
            "- Where the detector stays good on images matched on a cue, it does not need the cue; it may still use "
            "it. The experiments on the page Evidence change it and run the detector again.\n"
            "- Near copies are pairs whose perceptual hashes and grey levels agree. Mirrored, cropped or rotated "
            "copies are missed, and a pair is a hint to look, not a proof.\n"
            "- Intervals assume independent images. Crops of one photograph are not, and their intervals are too "
            "narrow."
        )
parts.downloads(opened, audit, duplicates)
