"""Trust: can the explanations be trusted?"""

import pandas as pd
import streamlit as st

from core.explainers.registry import find_explainer
from core.findings.lines import joined
from core.findings.words import explanations
from core.studies.agreement import agreement_summary
from core.studies.certainty import certainty_summary
from core.studies.randomisation import sanity_summary
from core.studies.single_sign import one_colour_summary
from core.studies.stability import stability_summary
from dashboard import library
from dashboard.components import charts
from dashboard.components.glossary import explain
from dashboard.components.plain import plain
from dashboard.components.study import all_there
from dashboard.components.trust import draw_scale, part
from dashboard.components.words import heading, name_paper
from dashboard.state import Setting
from dashboard.views.trust_parts import curves, faithfulness

BY = Setting("by", "verdict", choices=("verdict", "cell"))
BY_NAMES = {"verdict": "Verdict", "cell": "Verdict, right and wrong separately"}

opened = library.current()
answers = all_there(opened, ("faithfulness", "agreement", "stability", "certainty", "sanity", "one_colour"))
detector, images = (str(opened.run.manifest[key]) for key in ("detector", "set"))
heading(
    "Can the explanations be trusted?",
    f"Explanations of **{plain(detector)}** on **{plain(images)}** by every method, measured beside controls that know "
    "nothing of the detector.",
    faithfulness.conclusion(answers.get("faithfulness")),
    help=explain("Grad-CAM", "LIME", "Control"),
)
faithfulness.draw(opened, BY.value)


def draw_correlations(frame: pd.DataFrame, name: str, alt: str) -> None:
    """Rank correlations with their controls."""
    figure = curves.dots(frame, unit="rank correlation", zero=True)
    charts.show(figure, key=f"trust.{name}", alt=f"{alt}; the table under it has the numbers")


def draw_sanity(frame: pd.DataFrame) -> None:
    """A picture for each explanation."""
    with st.grid(2, min_column_width=340, gap="large"):
        for method in dict.fromkeys(frame["method"]):
            name = find_explainer(method).title
            with st.container():
                st.markdown(f"**{name}**")
                charts.show(
                    curves.randomised(frame, method),
                    key=f"trust.sanity.{method}",
                    alt=f"Correlation of {name} with that by a randomised detector, level by level",
                )


def draw_one_colour(frame: pd.DataFrame) -> None:
    """Shares under both settings."""
    alt = "Share of one-colour LIME results under the paper's settings and ours; the table under it has the numbers"
    charts.show(curves.dots(frame, unit="share of verdicts", share=True), key="trust.one_colour", alt=alt)


part(
    opened,
    "one_colour",
    "Is LIME all one colour?",
    "A single colour says that everything speaks for the verdict, or everything against it, but not where. The "
    "paper's settings segment by quickshift; ours use about thirty segments and leave undecided ones grey.",
    help=explain("LIME", "Segment", "Undecided"),
    make=one_colour_summary,
    by=BY.value,
    tell=lambda found: joined([explanations.one_coloured(found), explanations.cured(found)]),
    draw=draw_one_colour,
    limits="two colours are not yet a right explanation; whether they are is what the table above measures.",
    quote="A large majority of the images I looked at are uniformly red",
)
part(
    opened,
    "agreement",
    "Does LIME contradict Grad-CAM?",
    "Agreement: rank correlation of LIME's and Grad-CAM's maps of one image over a grid of 64 cells; 1 means the same "
    "ranking. The control uses another image's Grad-CAM instead of the image's own.",
    help=explain("Agreement", "Rank correlation"),
    make=agreement_summary,
    by=BY.value,
    tell=explanations.agreeing,
    draw=lambda frame: draw_correlations(
        frame, "agreement", "Agreement of LIME and Grad-CAM beside that with other images"
    ),
    limits="two methods can agree and both be wrong; agreement is no proof that either is faithful.",
    quote="the LIME method simply does not corroborate",
)
draw_scale(opened, answers)
part(
    opened,
    "stability",
    "Are the maps repeatable?",
    "Stability: rank correlation of an explanation with itself under another seed, and under noise of 1 in 255 "
    "that nobody can see; the control is the explanation of another image. LIME segments the noisy image again; "
    "“same segments” keeps those of the original. Grad-CAM has no seed.",
    help=explain("Stability", "Rank correlation", "Seed"),
    make=stability_summary,
    by=BY.value,
    tell=explanations.repeated,
    draw=lambda frame: draw_correlations(frame, "stability", "Correlation of explanations with themselves made again"),
    limits="an explanation may be wrong in the same way every time.",
)
part(
    opened,
    "certainty",
    "Does what LIME calls certain hold under another fill?",
    "Certainty: a part's interval reflects only a limited number of samples under one fill. Here each image is "
    "explained again with every other fill. The control draws other samples with the same fill.",
    help=explain("Fill", "Undecided", "LIME"),
    make=certainty_summary,
    by=BY.value,
    tell=explanations.certain,
    draw=lambda _frame: None,
    limits="a sign that holds under every fill is still about covered parts, which no training image has.",
)
part(
    opened,
    "sanity",
    "Does it depend on what the detector has learned?",
    "Sanity: the detector's weights are randomised from the classifier down (Adebayo et al. 2018). A map that does "
    "not change shows the image and not the detector. Dotted: another image's map by the fully random detector, the "
    "level at which a map that keeps nothing ends.",
    help=explain("Sanity"),
    make=sanity_summary,
    by=BY.value,
    tell=explanations.dependent,
    draw=draw_sanity,
    limits="that a map changes says that it depends on the weights, not that it tells what they do. The sign is left "
    "out, since a random classifier may swap the classes, so chance lies above 0.",
    names={"group": "verdict", "method": "method", "level": "randomised down to"},
)
BY.linked(
    st.segmented_control,
    "Group the figures above by",
    options=list(BY_NAMES),
    format_func=BY_NAMES.get,
    required=True,
    help="REAL and FAKE verdicts are never pooled: an edit that speaks against one speaks for the other, and pooled "
    "both look half true.",
)
name_paper()
