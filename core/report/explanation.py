"""One HTML page that explains one image and needs nothing else: pictures and style are inside it, and no script."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

from core.explainers.explanation import Explanation, Parts
from core.explainers.overlay import Legend, draw_image, legend
from core.explainers.registry import find_explainer
from core.explainers.saving import DEFAULT, SIZE, Style, draw_explanation, scale_of, write_bytes
from core.explainers.settings import told_settings
from core.images.decoding import encode_png
from core.images.palette import CLASS_COLOURS, UNDECIDED

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Why $verdict? $title</title>
<style>
body { font: 16px/1.55 system-ui, sans-serif; color: #1d2026; background: #fff }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem } h2 { font-size: 1.25rem; margin-top: 2.5rem }
.verdict { border-left: 6px solid $colour; padding-left: 1rem }
.verdict b { color: $colour }
.panels { display: flex; flex-wrap: wrap; gap: 1rem }
figure { margin: 0 } figcaption { font-size: .85rem; color: #555b66 }
img { width: 24rem; max-width: 100%; image-rendering: pixelated; display: block }
.bar { height: .9rem; max-width: 24rem; border: 1px solid #c9ccd2; margin-top: .8rem }
.ends { display: flex; justify-content: space-between; max-width: 24rem; font-size: .85rem }
.hatch { display: inline-block; width: .9rem; height: .9rem; vertical-align: -.1rem; border: 1px solid $undecided;
  background: repeating-linear-gradient(135deg, $undecided 0 2px, #f3f3f3 2px 6px) }
.diagnostics { background: #f5f6f8; padding: .6rem 1rem; max-width: 50rem }
table { border-collapse: collapse; font-size: .9rem }
td, th { padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #e3e5e9 }
small { color: #555b66; overflow-wrap: anywhere }
</style>
<h1>$title</h1>
<div class="verdict">
<p>The detector calls this image <b>$verdict</b> ($meaning) and puts $sure on that. Its margin is $margin: above 0 it
says REAL, below FAKE, and the further from 0 the surer it is.</p>
<p>It was trained on small photographs and on the pictures of one image generator, and knows nothing else. On other
images its verdict and its confidence can both be wrong, and the maps below explain the verdict, not the truth.</p>
$notes
</div>
<figure><img src="$image" alt="The image as the detector sees it">
<figcaption>The image as the detector sees it: $size pixels, enlarged.</figcaption></figure>
$panels
<p><small>Detector $detector, weights sha256 $sha256.</small></p>
</html>
""")

_PANEL = Template("""<h2>$heading</h2>
<p>$reading</p>
$map
$diagnostics
$table
<p><small>Settings: $settings. Took $seconds seconds.</small></p>
""")

_MAP = Template("""<div class="panels">
<figure><img src="$overlay" alt="$heading over the image"><figcaption>Over the image</figcaption></figure>
<figure><img src="$alone" alt="$heading alone"><figcaption>Alone</figcaption></figure>
</div>
$bar""")

_BAR = Template("""<div class="bar" style="background: linear-gradient(to right, $gradient)"></div>
<div class="ends"><span>$low<br>$left</span><span>0</span><span style="text-align: right">$high<br>$right</span></div>
<p><small>Unit: $unit. $undecided</small></p>""")

_TABLE = Template("""<details$open><summary>The ten strongest parts in numbers</summary>
<table><tr><th>Part</th>$pixels<th>Effect</th><th>$confidence interval</th><th>Reading</th></tr>
$rows</table></details>""")


Panel = tuple[Explanation, Style]


def save_html(path: Path, panels: Sequence[Explanation | Panel], *, title: str, notes: Sequence[str] = ()) -> None:
    """Write one page that explains one image to a reader who knows none of the methods.

    Args:
        path: the file.
        panels: explanations of one image by one detector, each alone or with how it is drawn.
        title: what the image is called.
        notes: sentences that must be read with it, for instance how the image was cut.
    """
    styled = [one if isinstance(one, tuple) else (one, DEFAULT) for one in panels]
    drawn = [_panel(explanation, style) for explanation, style in styled]
    write_bytes(path, _page(styled[0][0], drawn, title=title, notes=notes).encode())


def _page(first: Explanation, panels: Sequence[str], *, title: str, notes: Sequence[str]) -> str:
    colour = CLASS_COLOURS[first.verdict]
    sure = first.p_real if first.verdict == "REAL" else 1 - first.p_real
    height, width = first.image.shape[:2]
    return _PAGE.substitute(
        title=html.escape(title),
        colour=colour,
        undecided=UNDECIDED,
        verdict=first.verdict,
        meaning="a photograph" if first.verdict == "REAL" else "made by an image generator",
        sure=f"{sure:.1%}",
        margin=f"{first.margin:+.2f}",
        size=f"{width} x {height}",
        image=_data_url(draw_image(first.image, SIZE)),
        notes="".join(f"<p>{html.escape(note)}</p>" for note in notes),
        panels="".join(panels),
        detector=html.escape(first.provenance.detector),
        sha256=first.provenance.detector_sha256,
    )


def _panel(explanation: Explanation, style: Style) -> str:
    explainer = find_explainer(explanation.method)
    heading, sentence = html.escape(explainer.title), explanation.diagnostics.sentence
    versions = ", ".join(f"{name} {version}" for name, version in explanation.provenance.versions.items())
    told = "; ".join(f"{label}: {value}" for label, value in told_settings(explanation.settings).items())
    parts = explanation.parts
    return _PANEL.substitute(
        heading=heading,
        reading=html.escape(explainer.reading(explanation)),
        map="" if explanation.values is None else _map(explanation, style, heading),
        diagnostics=f'<p class="diagnostics">{html.escape(sentence)}</p>' if sentence else "",
        table="" if parts is None else _table(parts, unfolded=explanation.values is None),
        settings=html.escape(told + (f". Computed with {versions}" if versions else "")),
        seconds=f"{explanation.provenance.seconds:.2f}",
    )


def _map(explanation: Explanation, style: Style, heading: str) -> str:
    bar = legend(scale_of(explanation, style), palette=style.palette, unit=explanation.unit)
    return _MAP.substitute(
        heading=heading,
        overlay=_data_url(draw_explanation(explanation, style=style)),
        alone=_data_url(draw_explanation(explanation, style=style, over_image=False)),
        bar=_bar(bar, hatched=explanation.undecided is not None),
    )


def _bar(bar: Legend, *, hatched: bool) -> str:
    return _BAR.substitute(
        gradient=", ".join(bar.colours),
        left=html.escape(bar.labels[0]),
        right=html.escape(bar.labels[1]),
        low=f"{bar.ticks[0]:.3g}",
        high=f"{bar.ticks[2]:+.3g}",
        unit=html.escape(bar.unit),
        undecided='<span class="hatch"></span> undecided' if hatched else "",
    )


def _table(parts: Parts, *, unfolded: bool) -> str:
    words = {1: "speaks for REAL", -1: "speaks for FAKE", 0: "undecided"}
    order = np.argsort(-np.abs(parts.weights))[:10]
    area = None if parts.regions is None else np.bincount(parts.regions.ravel())
    cells = (
        (
            html.escape(parts.labels[index]),
            *([] if area is None else [str(area[index])]),
            f"{parts.weights[index]:+.3f}",
            _interval(parts.low[index], parts.high[index]),
            words[int(parts.decisions[index])],
        )
        for index in order
    )
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
    return _TABLE.substitute(
        rows=rows,
        confidence=f"{parts.confidence:.0%}",
        pixels="" if area is None else "<th>Pixels</th>",
        open=" open" if unfolded else "",
    )


def _interval(low: float, high: float) -> str:
    return f"{low:+.3f} to {high:+.3f}" if np.isfinite([low, high]).all() else "unknown: too few samples"


def _data_url(drawn: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(drawn)).decode()
