"""Help: how to read the dial, the door to the stage, and every term in plain words."""

import streamlit as st

from dashboard import library
from dashboard.components.dial import draw_first_dial, first_picture
from dashboard.components.words import CLASS_WORDS, TERMS, draw_title
from dashboard.state import Setting, script_of

FIND = Setting("find", "")

draw_title("Help")
opened = library.current()
first = None if FIND.value else first_picture(opened)
if first is not None:
    st.markdown(
        f"Frames are {CLASS_WORDS['REAL']} or {CLASS_WORDS['FAKE']}, as called. The control changes the picture as "
        "much, but keeps its detail. **If only the first one flips, the detail is the reason.**"
    )
    draw_first_dial(*first, key="help")
params = {"run": opened.run.name, "stage": "1"}
st.page_link(script_of("start"), label="On stage: six beats", icon=":material/slideshow:", query_params=params)
st.subheader("Glossary", anchor=False)
FIND.linked(st.text_input, "Find a word", placeholder="for example margin", max_chars=60, width=320)
wanted = FIND.value.strip().lower()
found = {term: text for term, text in TERMS.items() if wanted in f"{term} {text}".lower()}
if not found:
    st.info("No term holds this word; try a shorter one.", icon=":material/search_off:")
for term, text in found.items():
    st.markdown(f"### {term}")
    st.markdown(text, width=760)
