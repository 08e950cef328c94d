"""Glossary: every term of the app in plain words."""

import streamlit as st

from dashboard.components.glossary import TERMS
from dashboard.components.words import heading
from dashboard.state import Setting

FIND = Setting("find", "")

heading(
    "What the words mean",
    "Terms that the pages use, in plain words. The same text appears under the question marks on the pages.",
)
FIND.linked(st.text_input, "Find a word", placeholder="for example margin", max_chars=60, width=320)
wanted = FIND.value.strip().lower()
found = {term: text for term, text in TERMS.items() if wanted in f"{term} {text}".lower()}
if not found:
    st.info("No term holds this word; try a shorter one.", icon=":material/search_off:")
for term, text in found.items():
    st.markdown(f"### {term}")
    st.markdown(text, width=760)
