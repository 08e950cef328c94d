"""Compare: which of two detectors is right more often, and where do they differ?"""

import streamlit as st

from core.findings.finding import find
from core.findings.lines import Line
from core.findings.words import comparison as words
from core.findings.words import tell
from dashboard import library
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain
from dashboard.components.study import markdown, strong
from dashboard.components.words import heading
from dashboard.views.compare_parts import parts
from dashboard.views.compare_parts.choice import choose_other, compared, others

opened = library.current().origin
name = plain(str(opened.run.manifest["detector"]))
there = others(opened)
shows = f"**{name}** beside another detector, image by image, on **{plain(str(opened.run.manifest['set']))}**."
if opened.judged.empty or not there:
    heading("Which detector is right more often, and where do they differ?", shows)
    if opened.judged.empty:
        st.info("This run holds no image, so there is nothing to compare; choose another one on the left.")
    else:
        st.info(
            f"There is no other run on the images of {plain(opened.run.name)}. Make one with "
            f"{code('python -m core.predict DETECTOR --data DATA')} and reload this page.",
            icon=":material/science:",
        )
    st.stop()

top = st.container()
other = choose_other(opened, there)
found = compared(opened, other)
accuracy, shared = (find(found.findings, key) for key in ("accuracy", "both_wrong"))
with top:
    heading(
        "Which detector is right more often, and where do they differ?",
        shows,
        None if accuracy is None else f"{strong(tell(accuracy).answer)} {markdown(tell(accuracy).standing or Line())}",
        help=explain("Detector", "Interval", "McNemar's test"),
    )
st.markdown(markdown(words.recalls(found.findings)))
parts.draw_shared_networks(opened, other, found.pair.names)
parts.draw_outcomes(opened, other, found)
if shared is not None:
    st.markdown(markdown(tell(shared).whole))
parts.draw_more(opened, other, found)
