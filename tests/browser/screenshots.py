"""Take screenshots of every page on the run that opens by default: light at 1440 pixels, dark at 900.

python -m tests.browser.screenshots [--out assets/screenshots] [--pages start mistakes] [--looks light-1440 dark-900]
"""

import argparse
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlencode

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, ViewportSize

from core.runs.folders import ROOT, find_runs
from core.runs.run import read_run
from tests.browser.app import PATIENCE, running_browser, settle, visit
from tests.dashboard.conftest import PAGES
from tests.server import running_server

RUN = "swift@cifake-test"
Theme = Literal["light", "dark"]
LOOKS = tuple(f"{theme}-{width}" for theme in ("light", "dark") for width in (1440, 900))
SHIPPED_LOOKS = ("light-1440", "dark-900")
TALLEST = 3400
# colours that are kept to the last bit
FLAT = 96


def parameters() -> dict[str, dict[str, str]]:
    """What the address of a page says beside the run, where that shows more of the page."""
    frame = read_run(find_runs((ROOT / "assets",))[RUN]).predictions
    wrong = frame[frame["label"].astype(str) != frame["predicted"].astype(str)]
    # the image that the detector is most wrong about, and the one that it is surest of
    worst, surest = (str(rows.loc[rows["margin"].abs().idxmax(), "id"]) for rows in (wrong, frame))
    return {"mistakes": {"id": worst}, "try_picture": {"sample": surest}}


def write_small(picture: bytes, file: Path) -> None:
    """Write a PNG of 256 colours, a third of the bytes: the page's own as they are, and some for the images on it."""
    with Image.open(io.BytesIO(picture)) as opened:
        shown = opened.convert("RGB")
    pixels = np.asarray(shown).astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    colours, counts = np.unique(pixels, return_counts=True)
    flat = np.sort(colours[np.argsort(-counts)[:FLAT]])
    spread = shown.quantize(256 - len(flat), method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    place = np.minimum(np.searchsorted(flat, pixels), len(flat) - 1)
    small = Image.fromarray(np.where(flat[place] == pixels, place, np.asarray(spread) + len(flat)).astype(np.uint8))
    own = np.stack([flat >> 16, flat >> 8 & 255, flat & 255], axis=1)
    small.putpalette([*own.ravel().tolist(), *(spread.getpalette() or [])])
    small.save(file, optimize=True)


def photograph(
    browser: Browser,
    address: str,
    out: Path,
    *,
    names: Sequence[str],
    looks: Sequence[str],
    given: Mapping[str, Mapping[str, str]],
) -> None:
    """Write a picture of each page in each look (theme and width)."""
    for look in looks:
        theme, width = look.split("-")
        size: ViewportSize = {"width": int(width), "height": 1000}
        page = browser.new_page(viewport=size, color_scheme=cast(Theme, theme))
        page.set_default_timeout(PATIENCE)
        for name in names:
            path = "" if name == PAGES[0] else name
            visit(page, f"{address}/{path}?{urlencode({'run': RUN, **given.get(name, {})})}")
            height = page.locator("[data-testid=stMainBlockContainer]").evaluate("element => element.scrollHeight")
            page.set_viewport_size({"width": int(width), "height": min(int(height) + 20, TALLEST)})
            settle(page)
            file = out / f"{name}-{look}.png"
            write_small(page.screenshot(), file)
            page.set_viewport_size(size)
            print(file.name, flush=True)
        page.close()


def main() -> None:
    """Start a server that sees only what ships, photograph it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "screenshots")
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=PAGES)
    parser.add_argument("--looks", nargs="+", choices=LOOKS, default=SHIPPED_LOOKS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as cache,
        running_server(ROOT / "assets", Path(cache)) as (address, _),
        running_browser() as browser,
    ):
        photograph(browser, address, options.out, names=options.pages, looks=options.looks, given=parameters())


if __name__ == "__main__":
    main()
