"""What the detector can know: stated always, with measured rates where they are."""

import streamlit as st

from dashboard import library


def draw_limits() -> None:
    """The statement, and the study `transfer` of the run at hand where there is one."""
    with st.container(border=True):
        st.markdown(
            "**What this detector can know.** It has seen 32 x 32 photographs of ten kinds of things and the pictures "
            "that one image generator made of the same things, and nothing else. It was never shown another generator, "
            "a portrait, a screenshot or a drawing. On those it still says REAL or FAKE, and sounds as sure. Its "
            "verdict is no evidence about a picture from the world, and none against a person."
        )
        rates = library.study("transfer")
        if rates is None:
            st.caption(
                "How often it errs on other generators and on ordinary photographs has not been measured for this run."
            )
        else:
            with st.expander("How often it errs on what it was not made for"):
                st.dataframe(rates, hide_index=True, alt="Verdicts on images from elsewhere")
