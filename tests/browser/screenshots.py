"""Pictures of every page, light and dark, 1440 and 900 pixels wide, from the sample run only.

python -m tests.browser.screenshots [--out assets/screenshots]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser

from core.run import ROOT, find_runs, read_run
from tests.browser.app import PATIENCE, running_app, running_browser, settle, visit

RUN = "sample@sample-test"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TALLEST = 3200


def wrong_image() -> str:
    """The id of the sample's most confidently wrong image."""
    frame = read_run(find_runs((ROOT / "assets",))[RUN]).predictions
    wrong = frame[frame["label"].astype(str) != frame["predicted"].astype(str)]
    return str(wrong.loc[wrong["margin"].abs().idxmax(), "id"])


def photograph(browser: Browser, address: str, out: Path) -> None:
    """Write a picture of each page in each theme and width."""
    pages = {
        "overview": f"{address}/?run={RUN}",
        "explore": f"{address}/explore?run={RUN}",
        "inspect": f"{address}/inspect?run={RUN}&id={wrong_image()}",
        "upload": f"{address}/upload?run={RUN}",
    }
    for theme in THEMES:
        for width in (1440, 900):
            page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=theme)
            page.set_default_timeout(PATIENCE)
            for stem, query in pages.items():
                visit(page, query)
                height = page.locator("[data-testid=stMainBlockContainer]").evaluate("element => element.scrollHeight")
                page.set_viewport_size({"width": width, "height": min(int(height) + 20, TALLEST)})
                settle(page)
                page.screenshot(path=out / f"{stem}-{theme}-{width}.png")
                page.set_viewport_size({"width": width, "height": 1000})
                print(f"{stem}-{theme}-{width}.png")
            page.close()


def main() -> None:
    """Start a server that sees only what ships, photograph it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "screenshots")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as cache,
        running_app(ROOT / "assets", Path(cache)) as address,
        running_browser() as browser,
    ):
        photograph(browser, address, options.out)


if __name__ == "__main__":
    main()
