"""The charts of the page Evidence: how verdicts follow a change, and how far they carry."""

import pandas as pd
import plotly.graph_objects as go

from core.images.palette import CLASS_COLOURS, GREY
from dashboard.components.charts.figure_cache import cached
from dashboard.components.charts.style import GRID, MARGIN, error_bars, new_figure

SYMBOLS = {"FAKE": "circle", "REAL": "square"}


@cached
def response(rates: pd.DataFrame) -> go.Figure:
    """Share of verdicts flipped by strength, with 95 % intervals; the control dashed and hollow.

    Args:
        rates: the rows of one probe in `core.studies.probes.summary.responses`, weakest first for each verdict.
    """
    figure = new_figure(margin={**MARGIN, "r": 12}, height=220, showlegend=False)
    for verdict, rows in rates.groupby("turned"):
        if not rows["images"].any():
            continue
        colour, symbol = CLASS_COLOURS[str(verdict)], SYMBOLS[str(verdict)]
        if rows["control"].notna().any():
            figure.add_scatter(
                x=rows["strength"],
                y=rows["control_share"],
                error_y=_ends(rows, "control_share", "control_low", "control_high", colour),
                mode="lines+markers",
                line={"color": colour, "width": 1.5, "dash": "dash"},
                marker={"size": 8, "symbol": f"{symbol}-open", "color": colour},
                hovertemplate=f"strongest control: %{{y:.1%}} of {verdict} flip<extra></extra>",
            )
        figure.add_scatter(
            x=rows["strength"],
            y=rows["share"],
            error_y=_ends(rows, "share", "low", "high", colour),
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 9, "symbol": symbol, "color": colour},
            customdata=rows[["low", "high", "shift"]],
            hovertemplate=f"%{{y:.1%}} of {verdict} flip (%{{customdata[0]:.1%}} to %{{customdata[1]:.1%}})<br>"
            "margin moves by %{customdata[2]:+.2f}<extra></extra>",
        )
    figure.update_yaxes(range=[-0.04, 1.04], tickformat=".0%", dtick=0.25, gridcolor=GRID)
    figure.update_xaxes(type="category")
    return figure


@cached
def carried(rows: pd.DataFrame, *, own: float | None, hue: str, x: str) -> go.Figure:
    """Verdicts on images from elsewhere, a dot with its interval a source, the test set's own rate dashed.

    Args:
        rows: `name`, `value`, `low`, `high`, `n`, shares of 0 to 1; drawn from the top down.
        own: the same share on the run's own images.
        hue: the class whose colour the dots have.
        x: title of the axis.
    """
    figure = new_figure(height=70 + 26 * len(rows), showlegend=False)
    figure.add_scatter(
        x=rows["value"],
        y=rows["name"],
        mode="markers",
        marker={"size": 10, "symbol": SYMBOLS[hue], "color": CLASS_COLOURS[hue]},
        error_x=error_bars(rows["value"], rows["low"], rows["high"], thickness=1.5),
        customdata=rows[["low", "high", "n"]],
        hovertemplate="%{y}: %{x:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%}) of %{customdata[2]:,}"
        "<extra></extra>",
    )
    if own is not None:
        figure.add_vline(x=own, line={"color": GREY, "dash": "dash", "width": 1.5})
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", title=x, gridcolor=GRID)
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def _ends(rows: pd.DataFrame, value: str, low: str, high: str, colour: str) -> dict[str, object]:
    return error_bars(rows[value], rows[low], rows[high], color=colour, thickness=1.2)
