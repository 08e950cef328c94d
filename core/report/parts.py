"""The parts that every report is put together from: HTML without script, and nothing that is fetched."""

import html
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

from core.findings import numbers
from core.findings.lines import Line
from core.findings.lines import html as as_html
from core.images.palette import FAKE, REAL
from core.report.figures import Drawn
from core.runs.run import Run

_LIMITS = (
    "A share from a sample has an interval: 95 of 100 such intervals hold the true share. Differences within the "
    "intervals may be chance.",
    "Explanations say what moves this detector's score. They do not say what makes a picture real.",
    "No number here is evidence about a single picture from the world, or against a person.",
)


def limits(run: Run) -> tuple[str, ...]:
    """What no report of this run can say."""
    return (
        f"The detector knows images like those it was trained on, at {run.side} x {run.side} pixels, and nothing else. "
        "Other generators, other cameras and another way of resizing change its verdicts, and it sounds as sure about "
        "them.",
        *_LIMITS,
    )


_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.55 system-ui, sans-serif; color: #1d2026; background: #fff; max-width: 56rem; margin: 2rem auto;
  padding: 0 1rem }
h1 { font-size: 1.8rem; line-height: 1.2 } h2 { font-size: 1.35rem; margin: 2.6rem 0 .4rem }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .2rem }
.lead li { margin: .3rem 0; font-size: 1.08rem }
figure { margin: 1.2rem 0; break-inside: avoid } figcaption, small, .note { color: #555b66; font-size: .9rem }
figure > img { max-width: 100%; height: auto; display: block }
table { border-collapse: collapse; font-size: .9rem; width: 100% }
td, th { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid #e3e5e9; vertical-align: top }
td { overflow-wrap: anywhere } th, td:first-child { overflow-wrap: normal } .wide { overflow-x: auto }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: .8rem; padding: 0 }
.tiles li { list-style: none; font-size: .8rem; line-height: 1.3; break-inside: avoid }
.tiles img { width: 100%; aspect-ratio: 1; image-rendering: pixelated; border: 4px solid; border-radius: .4rem;
  box-sizing: border-box; display: block } .tiles small { overflow-wrap: anywhere }
.real img { border-color: $real } .fake img { border-color: $fake } .wrong img { border-style: dashed }
@media print { body { margin: 0; max-width: none; font-size: 11pt } h2 { break-after: avoid } }
</style>
<h1>$title</h1>
<p>$about</p>
<ul class="lead">
$lead
</ul>
$body
</html>
""")


def page(run: Run, title: str, lead: Iterable[str], body: str) -> str:
    """The whole page: a title, sentences to begin with (HTML), and what comes below (HTML)."""
    about = (
        f"What the detector <b>{html.escape(str(run.manifest['detector']))}</b> says of images of "
        f"<b>{html.escape(str(run.manifest['set']))}</b>: photographs (REAL) and pictures made by an image generator "
        "(FAKE). Every number was computed from the run and its studies; nothing was typed in."
    )
    return _PAGE.substitute(
        title=html.escape(title),
        about=about,
        lead="\n".join(f"<li>{line}</li>" for line in lead),
        body=body,
        real=REAL,
        fake=FAKE,
    )


def percent(share: float, digits: int = 1) -> str:
    """0.9608 as "96.1%", as on the pages of the app, never broken between lines."""
    return numbers.percent(share, digits).replace(" ", "\u00a0")


def section(title: str, *parts: str) -> str:
    """A part of the page."""
    return f"<section><h2>{html.escape(title)}</h2>{''.join(parts)}</section>\n"


def bullets(lines: Iterable[str | Line]) -> str:
    """A list of sentences (text), nothing for none."""
    items = "".join(f"<li>{sentence(one)}</li>" for one in lines)
    return f"<ul>{items}</ul>" if items else ""


def sentence(one: str | Line) -> str:
    """A sentence as HTML."""
    return as_html(one) if isinstance(one, Line) else html.escape(one)


def figure(drawn: Drawn) -> str:
    """A chart with its caption."""
    picture = f'<img src="{drawn.url}" style="width: {5.4 * drawn.inches:.1f}rem" alt="{html.escape(drawn.alt)}">'
    return f"<figure>{picture}<figcaption>{html.escape(drawn.caption)}</figcaption></figure>"


def table_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of text under their headings."""
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{lines}</table></div>'


def listed(values: Mapping[str, Any]) -> str:
    """Settings in one line."""
    return ", ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in values.items()) or "none"
