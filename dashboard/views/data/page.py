"""Data: what could it learn that is not AI?"""

import streamlit as st

from core.findings.lines import joined
from core.findings.words import audit as words
from core.findings.words import tell
from core.studies.audit.summary import concerns, estimate, rings, yardsticks
from dashboard.components.charts import style as charts
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain
from dashboard.components.studies.finding_words import markdown
from dashboard.components.studies.study import readable
from dashboard.components.words import CLASS_WORDS, heading, section
from dashboard.services import library
from dashboard.views.data import audit as parts
from dashboard.views.data import charts as audit_charts
from dashboard.views.data.copies import draw_counts, draw_pairs

opened = library.current()
audit, duplicates = readable(opened, "audit"), readable(opened, "duplicates", concluded=False)
heading(
    "What could it learn that is not AI?",
    f"If in **{plain(opened.run.manifest['set'])}** REAL images were just brighter, or smaller as files, a detector "
    "could be right without knowing anything of image generators. Here each such fact is put to the test.",
    markdown(words.overall(audit.findings)) if audit is not None else None,
)
if opened.table.empty:
    st.info("This run holds no image, so there is nothing to audit; choose another one on the left.")
    st.stop()
if audit is None:
    st.info(
        f"The data of {plain(opened.run.name)} has not been audited yet. To do so, run {code(parts.command(opened))} "
        "and reload this page: two minutes for the 120,000 images of CIFAKE. Where CIFAKE lies elsewhere than in "
        "data/cifake, add `--data PATH`.",
        icon=":material/science:",
    )
    st.stop()

probes = readable(opened, "probes", concluded=False)
found = concerns(audit)
facts = [one for one in found if one.key != "leak"]
flaws = [one for one in facts if one.is_flaw]
parts.headlines(opened, audit, facts, duplicates)

st.space("small")
section(
    "What tells the classes apart by itself",
    "Take one REAL and one FAKE image: how often can one say which is which, knowing only this? Guessing is right in "
    "50 of 100 pairs. The diamond is the detector on images that are alike in this, where it cannot help: as long as "
    "it stays far right, the detector knows something else as well.",
    help=explain(
        "AUROC",
        also="Here times 100, with 95% intervals (DeLong 1988), by a rule that may use the fact in any way, fitted on "
        "the training images where they were available. Alike: in the same twentieth of all images.",
    ),
)
network = estimate(audit.table[audit.table["kind"] == "network"].iloc[0], "auroc")
charts.show(
    audit_charts.told_apart(found, network),
    key="data.apart",
    alt=" ".join(str(parts.told(audit, one.cue).answer) for one in found),
)

st.space("small")
section(
    "Worst first",
    f"How each is spread over {CLASS_WORDS['REAL']} (solid) and {CLASS_WORDS['FAKE']} (dashed) images, what it tells, "
    "and whether the detector leans on it.",
)
if flaws and probes is not None:
    st.caption(
        "Two questions are asked of each. Does the detector's score come from it, among images as they are? That is "
        "compared among images alike in it, and as the rank correlation with the margin (-1 to 1, 0 is none). And does "
        "a verdict turn when it is changed by force, as the experiments on the page Evidence do, here at the strength "
        "that turns most? For what a verdict rests on the experiment counts; the correlation can be small beside it, "
        "since images by themselves differ less in it than the experiment changes it."
    )
for group in parts.together(flaws):
    parts.concern_row(opened, audit, group, probes)
if not flaws:
    st.markdown("No single fact tells the classes apart by more than ten facts may by chance.")
if rest := [one for one in facts if not one.is_flaw]:
    with st.expander(f"{len(rest)} that tell nothing, or hardly anything", expanded=not flaws):
        parts.harmless(opened, audit, rest)

st.space("small")
band = st.grid(2, min_column_width=340, gap="large")
with band.cell():
    section(
        "The spectrum",
        "How much of each fineness of detail images hold: medians, and the middle half of the images. Where the bands "
        "part, fineness alone tells the classes apart. A ring of the spectrum is all detail of one fineness, "
        "whatever its direction.",
        help=explain("Spectrum"),
    )
    ring = parts.told(audit, "ring").answer
    charts.show(audit_charts.spectrum(rings(audit)), key="data.spectrum", alt=f"Power by ring and class. {ring}")
    st.markdown(markdown(ring))
with band.cell():
    section(
        "A plain baseline beside the network",
        "What a regression on a few numbers gets right, trained on the training images and tested on these. What it "
        "reaches too is no merit of the network. Counted are right verdicts, of which guessing gets half, and not "
        "pairs as above.",
        help=explain("Baseline", "Logistic regression", "AUROC"),
    )
    lines = yardsticks(audit)
    baseline = parts.told(audit, "baseline.spectrum").whole
    charts.show(audit_charts.beside(lines), key="data.beside", alt=str(baseline))
    st.markdown(markdown(baseline))

st.space("small")
section(
    "Copies",
    "An image that the detector was trained on is no test of it, and one that is there twice counts twice. Copies of "
    "the other class are worse: one of the two labels is wrong.",
    help=explain("Leak", "Repeat", "Near copy"),
)
if duplicates is None:
    st.info(f"Copies have not been looked for yet: run {code(parts.command(opened))}.", icon=":material/science:")
else:
    draw_counts(opened, duplicates)
    leak = next((one for one in found if one.key == "leak"), None)
    if leak is not None:
        st.markdown(markdown(parts.told(audit, leak.cue).whole))
        st.caption(markdown(parts.told(audit, leak.lean).whole))
    inside = [tell(one).whole for one in audit.findings if one.quantity == "copies"]
    if inside:
        st.caption(markdown(joined(inside)))
    st.markdown("**Pairs to look at**")
    draw_pairs(opened, duplicates)

st.space("small")
st.subheader("What this cannot show", anchor=False)
st.markdown(
    "- Only what has a name here is looked at. A set without a finding may differ in something else.\n"
    "- What tells the classes apart may be what generators do: poorer detail can be a flaw of the data or the very "
    "mark of AI. The audit says that it is there, not why.\n"
    "- Where the detector stays good among images alike in a fact, it does not need the fact; it may still use it. The "
    "experiments on the page Evidence change it and ask again.\n"
    "- Near copies are pairs whose perceptual hashes and grey levels agree. Mirrored, cropped or turned copies are "
    "missed, and a pair is a hint to look, not a proof.\n"
    "- Intervals take images for independent. Images cut from one photograph are not, and theirs are too narrow."
)
parts.downloads(opened, audit, duplicates)
