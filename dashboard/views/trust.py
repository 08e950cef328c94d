"""Trust: can the explanations be trusted?"""

import streamlit as st

from core.studies import trust_summary
from core.studies.trust_summary import EXPLANATIONS, FILLS
from dashboard import library
from dashboard.address import Setting
from dashboard.widgets import charts, curves, trust
from dashboard.widgets.words import heading, section

BY = Setting("by", "verdict", choices=("verdict", "cell"))
BY_NAMES = {"verdict": "Each verdict", "cell": "Right and wrong ones apart"}
FILL = Setting("filled", "unseen", choices=("unseen", *FILLS))
FILL_NAMES = {
    "unseen": "blur and texture (LIME has seen neither)",
    "blur": "blur",
    "texture": "shuffled texture",
    "mean": "mean colour (LIME was fitted with it)",
}
MEASURE = Setting("measure", "lead", choices=("lead", "score", "turned"))
MEASURES = {
    "lead": (trust_summary.excess, "margins further apart than the best control's curves"),
    "score": (trust_summary.scores, "margins between the two curves"),
    "turned": (trust_summary.turned, "verdicts that turn when a quarter of the image is filled"),
}
MEASURE_NAMES = {"lead": "Lead over the best control", "score": "All controls", "turned": "Verdicts turned"}
WHAT = {"group": "verdict", "name": "what"}

opened = library.current()
answers = trust.all_there(opened, ("faithfulness", "agreement", "stability", "sanity", "one_colour"))
detector, _, images = opened.run.name.partition("@")
heading(
    "Can the explanations be trusted?",
    f"Grad-CAM and LIME of **{detector}** on **{images}**, measured beside controls that know nothing of the detector.",
    trust.leads(opened, answers["faithfulness"]) if "faithfulness" in answers else None,
)
with st.grid(3, min_column_width=250):
    trust.one_colour_complaint(opened)
    trust.agreement_complaint(opened)
    trust.scale_complaint(opened, answers)

st.space("small")
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    BY.linked(
        st.segmented_control,
        "Count",
        options=list(BY_NAMES),
        format_func=BY_NAMES.get,
        required=True,
        help="REAL and FAKE verdicts are never pooled: an edit that speaks against one speaks for the other, and "
        "pooled both look half true.",
    )

section(
    "Does the detector lean on what they name?",
    "Faithfulness: parts of the image are filled in the order that an explanation gives (deletion), or shown in that "
    "order (insertion; Petsiuk et al. 2018). Where it is right the margin falls fast, and rises fast. Controls order "
    "the parts by chance, edges, place or size, or by another image's map.",
)
if answer := trust.read(opened, "faithfulness"):
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        FILL.linked(
            st.selectbox,
            "Filled with",
            options=list(FILL_NAMES),
            format_func=FILL_NAMES.get,
            width=330,
            help="Filling is itself an edit that the detector reacts to, each fill in its own way.",
        )
        MEASURE.linked(
            st.segmented_control, "Measure", options=list(MEASURES), format_func=MEASURE_NAMES.get, required=True
        )
    make, unit = MEASURES[MEASURE.value]
    frame = trust.summary(opened, answer, make, BY.value)
    fill = FILL.value
    if MEASURE.value == "turned" and fill == "unseen":
        # a share is counted under one fill
        fill = "texture"
        st.caption("Verdicts are counted under one fill, here shuffled texture.")
    frame = trust.named(frame[frame["fill"] == fill])
    trust.conclude(trust.found(answer, *(["turned"] if MEASURE.value == "turned" else EXPLANATIONS)))
    charts.show(
        curves.dots(frame, unit=unit, share=MEASURE.value == "turned", zero=MEASURE.value == "lead"),
        key="trust.scores",
        alt=f"{MEASURE_NAMES[MEASURE.value]}: {unit}, with 95 % intervals; the table under it has the numbers",
    )
    trust.cannot(
        "a filled image is none that the detector was made for, so part of every fall is the fill and not the loss; "
        "and a map that names the right place does not say what is there. The best control is chosen on the same "
        "images, which favours it a little."
    )
    trust.numbers(opened, answer, frame, names=WHAT, key=f"faithfulness-{MEASURE.value}")
    with st.expander("The curves", icon=":material/show_chart:", expanded=True):
        drawn = trust.summary(opened, answer, trust_summary.curves, BY.value)
        best = trust.best_controls(opened, answer, BY.value, FILL.value)
        with st.grid(2, min_column_width=320, gap="large"):
            for group, control in best.items():
                with st.container():
                    st.markdown(trust.group_words(group))
                    part = drawn[(drawn["group"] == group) & (drawn["fill"] == FILL.value)]
                    charts.show(
                        curves.deletion_curves(part, control),
                        key=f"trust.curves.{group}",
                        alt=f"Deletion and insertion curves of {group}: Grad-CAM, LIME and every control",
                    )

st.space("small")
row = st.grid(2, min_column_width=340, gap="large")
with row.cell():
    section(
        "Do the two name the same places?",
        "Agreement: rank correlation of LIME's and Grad-CAM's maps of one image over 64 places; 1 is the same order. "
        "The control puts another image's Grad-CAM in the place of the image's own.",
    )
    if answer := trust.read(opened, "agreement"):
        trust.conclude(trust.found(answer, "rank", "beyond"))
        frame = trust.summary(opened, answer, trust_summary.agreement_summary, BY.value)
        charts.show(
            curves.dots(frame, unit="rank correlation", zero=True),
            key="trust.agreement",
            alt="Agreement of LIME and Grad-CAM beside that with other images; the table under it has the numbers",
        )
        trust.cannot("two methods can agree and both be wrong; agreement is no proof that either is faithful.")
        trust.numbers(opened, answer, frame, names=WHAT, key="agreement")
with row.cell():
    section(
        "Is it the same when made again?",
        "Stability: rank correlation of an explanation with itself under another seed, and under noise of 1 in 255 "
        "that nobody can see; the control is the explanation of another image. Grad-CAM has no seed.",
    )
    if answer := trust.read(opened, "stability"):
        trust.conclude(trust.found(answer, *EXPLANATIONS))
        frame = trust.summary(opened, answer, trust_summary.stability_summary, BY.value)
        charts.show(
            curves.dots(frame, unit="rank correlation", zero=True),
            key="trust.stability",
            alt="Correlation of explanations with themselves made again; the table under it has the numbers",
        )
        trust.cannot("an explanation may be wrong in the same way every time.")
        trust.numbers(opened, answer, frame, names=WHAT, key="stability")

st.space("small")
section(
    "Does it depend on what the detector has learned?",
    "Sanity: the detector's weights are replaced by chance from the classifier down (Adebayo et al. 2018). A map that "
    "stays as it was shows the image and not the detector. Dotted: the map of another image, which is where a map ends "
    "that knows nothing any more.",
)
if answer := trust.read(opened, "sanity"):
    trust.conclude(trust.found(answer, *EXPLANATIONS))
    frame = trust.summary(opened, answer, trust_summary.sanity_summary, BY.value)
    with st.grid(2, min_column_width=340, gap="large"):
        for method, name in EXPLANATIONS.items():
            with st.container():
                st.markdown(f"**{name}**")
                charts.show(
                    curves.randomised(frame, method),
                    key=f"trust.sanity.{method}",
                    alt=f"Correlation of {name} with that by a randomised detector, level by level",
                )
    trust.cannot(
        "that a map changes says that it depends on the weights, not that it tells what they do. The sign is left out, "
        "since a random classifier may swap the classes, so chance lies above 0."
    )
    trust.numbers(
        opened, answer, frame, names={"group": "verdict", "method": "method", "level": "random to"}, key="sanity"
    )

st.space("small")
section(
    "How often does LIME show one colour only?",
    "One colour says that everything speaks for the verdict, or everything against it, and so nothing of where. The "
    "paper's settings cut an image by quickshift; ours into some thirty pieces, and leave what is undecided grey.",
)
if answer := trust.read(opened, "one_colour"):
    trust.conclude(trust.found(answer, "paper", "ours"))
    frame = trust.summary(opened, answer, trust_summary.one_colour_summary, BY.value)
    charts.show(
        curves.dots(frame, unit="share of verdicts", share=True),
        key="trust.one_colour",
        alt="Share of one-colour LIME results under the paper's settings and ours; the table under it has the numbers",
    )
    trust.cannot("two colours are not yet a right explanation; whether they are is what the first picture measures.")
    trust.numbers(opened, answer, frame, names=WHAT, key="one-colour")
