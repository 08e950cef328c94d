"""What the detector can know: stated always, with measured rates where they are."""

import streamlit as st

from core.storage import ContractError
from core.studies.study import Answer, Finding
from dashboard import library
from dashboard.sentences import for_visitors
from dashboard.widgets.words import percent

# finding of the study `transfer` -> what its number is a share of, and what it says
RATES = {
    "generators": "Of {images} pictures by other generators it calls **{share} REAL**",
    "photographs": "Of {images} squares of ordinary photographs it calls **{share} FAKE**",
    "filters": "The way such a photograph is made small decides **{share}** of its verdicts by itself",
}


def draw_limits(detector_sha256: str | None = None) -> None:
    """The statement, and the rates that the study `transfer` has measured of this detector, where there is one."""
    with st.container(border=True):
        st.markdown(
            "**What this detector can know.** It has seen 32 x 32 photographs of ten kinds of things and the pictures "
            "that one image generator made of the same things, and nothing else. It was never shown another generator, "
            "a portrait, a screenshot or a drawing. On those it still says REAL or FAKE, and sounds as sure. Its "
            "verdict is no evidence about a picture from the world, and none against a person."
        )
        try:
            answer = library.answer_by(detector_sha256, "transfer") if detector_sha256 else None
        except ContractError as error:
            st.caption(for_visitors(error, homes=library.homes()))
            return
        if answer is None:
            st.caption(
                "How often it errs on other generators and on ordinary photographs has not been measured for this "
                "detector."
            )
            return
        _draw_rates(answer)


def _draw_rates(answer: Answer) -> None:
    rates = [(words, answer.finding(key)) for key, words in RATES.items()]
    st.markdown("\n".join(f"- {_rate(words, found)}" for words, found in rates if found is not None))
    with st.expander("All that was measured of this"):
        st.markdown("\n".join(f"- {found.sentence}" for found in answer.findings))
        st.caption(f"{answer.about.get('question', '')} Compared with: {answer.about.get('control', '')}")


def _rate(words: str, found: Finding) -> str:
    said = words.format(images=f"{found.images:,}", share=percent(found.value))
    return f"{said} (95 % interval {percent(found.low)} to {percent(found.high)})."
