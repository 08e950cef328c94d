"""How far a verdict carries: what the detector says of images that it was not made for."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.findings.finding import Finding
from core.findings.words import transfer
from core.images.generator_names import generator_name
from core.studies.out_of_distribution.study import AS_CIFAKE, EVERY_FILTER, GENERATOR, OWN, PHOTOGRAPHS
from core.studies.study import Answer
from dashboard.components.charts import style as charts
from dashboard.components.plain import figure_text, plain
from dashboard.components.studies import charts as evidence_charts
from dashboard.components.studies.downloads import study_download
from dashboard.components.studies.finding_words import bullets, strong
from dashboard.services.library import Opened

# findings of the study, in the order in which they are said
SAID = ("generators", "no_generators", "photographs", "filters", "confidence_generators", "confidence_photographs")


def chosen(answer: Answer, keys: Sequence[str] = SAID) -> list[Finding]:
    """The findings with these keys that there are, in this order."""
    return [one for key in keys if (one := answer.finding(key)) is not None]


def draw_transfer(opened: Opened, answer: Answer) -> None:
    """The sentences, and a chart of each kind of images."""
    if told := transfer.overall(answer.findings):
        st.markdown(strong(told))
    table = answer.table[answer.table["encoding"].isin([AS_CIFAKE]) | (answer.table["kind"] == OWN)]
    own = table[table["kind"] == OWN].set_index("source")["share_real"]
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            st.markdown("#### Pictures by other generators")
            rows = table[(table["kind"] == GENERATOR) & (table["source"] != "all")].sort_values("share_real")
            if rows.empty:
                st.caption("They were not at hand when this was measured.")
            else:
                figure = evidence_charts.carried(
                    rows.assign(name=rows["source"].map(generator_name).map(figure_text)),
                    column="share_real",
                    own=float(own["FAKE"]) if "FAKE" in own else None,
                    hue="REAL",
                    x="called REAL, so they pass",
                )
                charts.show(figure, key="evidence.generators", alt="Share called REAL, by generator")
                st.caption(f"Dashed: FAKE images of {plain(opened.run.manifest['set'])} that it calls REAL.")
        with grid.cell():
            st.markdown("#### Ordinary photographs, made small by")
            rows = table[(table["kind"] == PHOTOGRAPHS) & (table["filter"] != EVERY_FILTER)].sort_values("share_real")
            if rows.empty:
                st.caption("They were not at hand when this was measured.")
            else:
                figure = evidence_charts.carried(
                    accused(rows).assign(name=rows["filter"].map(figure_text)),
                    column="share_fake",
                    own=1 - float(own["REAL"]) if "REAL" in own else None,
                    hue="FAKE",
                    x="called FAKE, so they are accused",
                )
                charts.show(figure, key="evidence.photographs", alt="Share called FAKE, by resampling filter")
                st.caption(f"Dashed: REAL images of {plain(opened.run.manifest['set'])} that it calls FAKE.")
    bullets(chosen(answer))
    study_download(opened, answer)


def accused(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the study with the share called FAKE and its interval."""
    return rows.assign(share_fake=1 - rows["share_real"], low=1 - rows["high"], high=1 - rows["low"])
