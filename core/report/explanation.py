"""One HTML page that explains one image and needs nothing else: pictures and style are inside it, and no script."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from string import Template
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from core.explainers.overlay import Legend, common_scale, draw_image, legend
from core.explainers.results import LimeResult
from core.explainers.saving import DEFAULT, SIZE, Result, Style, draw_result, write_bytes
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
.health { background: #f5f6f8; padding: .6rem 1rem; max-width: 50rem }
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
<figure><img src="$image" alt="The image as the detector sees it"><figcaption>The image as the detector sees it:
$side x $side pixels, enlarged.</figcaption></figure>
$panels
<p><small>Detector $detector, weights sha256 $sha256.</small></p>
</html>
""")

_PANEL = Template("""<h2>$heading</h2>
<p>$reading</p>
<div class="panels">
<figure><img src="$overlay" alt="$heading over the image"><figcaption>Over the image</figcaption></figure>
<figure><img src="$alone" alt="$heading alone"><figcaption>Alone</figcaption></figure>
</div>
$bar
$health
$table
<p><small>Settings: $settings. Took $seconds seconds.</small></p>
""")

_BAR = Template("""<div class="bar" style="background: linear-gradient(to right, $gradient)"></div>
<div class="ends"><span>$low<br>$left</span><span>0</span><span style="text-align: right">$high<br>$right</span></div>
<p><small>Unit: $unit. $undecided</small></p>""")

_TABLE = Template("""<details><summary>The ten strongest parts in numbers</summary>
<table><tr><th>Part</th><th>Pixels</th><th>Effect</th><th>$confidence interval</th><th>Reading</th></tr>
$rows</table></details>""")


def save_html(
    path: Path,
    results: Mapping[str, Result],
    *,
    title: str,
    notes: Sequence[str] = (),
    styles: Mapping[str, Style] = MappingProxyType({}),
) -> None:
    """Write one page that explains one image to a reader who knows none of the methods.

    Args:
        path: the file.
        results: heading -> result, all of one image and one detector.
        title: what the image is called.
        notes: sentences that must be read with it, for instance how the image was cut.
        styles: heading -> how its maps are drawn, where that is not as by default.
    """
    panels = [_panel(heading, result, styles.get(heading, DEFAULT)) for heading, result in results.items()]
    write_bytes(path, _page(next(iter(results.values())), panels, title=title, notes=notes).encode())


def _page(first: Result, panels: Sequence[str], *, title: str, notes: Sequence[str]) -> str:
    colour = CLASS_COLOURS[first.verdict]
    sure = first.p_real if first.verdict == "REAL" else 1 - first.p_real
    return _PAGE.substitute(
        title=html.escape(title),
        colour=colour,
        undecided=UNDECIDED,
        side=len(first.image),
        verdict=first.verdict,
        meaning="a photograph" if first.verdict == "REAL" else "made by an image generator",
        sure=f"{sure:.1%}",
        margin=f"{first.margin:+.2f}",
        image=_data_url(draw_image(first.image, SIZE)),
        notes="".join(f"<p>{html.escape(note)}</p>" for note in notes),
        panels="".join(panels),
        detector=html.escape(first.detector),
        sha256=first.detector_sha256,
    )


def _panel(heading: str, result: Result, style: Style) -> str:
    scale = common_scale([result.values]) if style.scale is None else style.scale
    unit = result.settings.target if result.settings.target in ("margin", "probability") else f"logit {result.toward}"
    health = result.health.sentence
    settings = ", ".join(f"{name} {value}" for name, value in asdict(result.settings).items())
    return _PANEL.substitute(
        heading=html.escape(heading),
        overlay=_data_url(draw_result(result, style=style)),
        alone=_data_url(draw_result(result, style=style, over_image=False)),
        reading=_reading(result),
        bar=_bar(legend(scale, palette=style.palette, unit=unit), hatched=isinstance(result, LimeResult)),
        health=f'<p class="health">{html.escape(health)}</p>' if health else "",
        table=_table(result) if isinstance(result, LimeResult) else "",
        settings=html.escape(settings),
        seconds=f"{result.seconds:.2f}",
    )


def _reading(result: Result) -> str:
    if isinstance(result, LimeResult):
        return (
            "Parts of the image were covered in many ways, and the detector was asked each time. A part is coloured by "
            "the class that its being visible speaks for; a hatched part's effect is too small, or too uncertain, to "
            f"name. The uncertainty is that of asking only {result.health.samples} times: it does not say that "
            "covering is a fair question."
        )
    side = result.values.shape[0]
    return (
        f"What the detector has computed at {side} x {side} places, coloured by the class that it speaks for there. "
        "Each place has seen more of the image than the square that is coloured: read it as a direction, not as an "
        "outline."
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


def _table(result: LimeResult) -> str:
    words = {1: f"speaks for {result.toward}", -1: f"speaks against {result.toward}", 0: "undecided"}
    order = np.argsort(-np.abs(result.weights))[:10]
    area = np.bincount(result.segments.ravel())
    cells = (
        (
            str(index),
            str(area[index]),
            f"{result.weights[index]:+.3f}",
            _interval(result.low[index], result.high[index]),
            words[int(result.decisions[index])],
        )
        for index in order
    )
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
    return _TABLE.substitute(rows=rows, confidence=f"{result.settings.confidence:.0%}")


def _interval(low: float, high: float) -> str:
    return f"{low:+.3f} to {high:+.3f}" if np.isfinite([low, high]).all() else "unknown: too few samples"


def _data_url(drawn: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(drawn)).decode()
