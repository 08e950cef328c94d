"""Photograph pages on the run that opens by default, as much as a window of 1440 x 900 shows: the README's pictures.

python -m tests.browser.screenshots
"""

from core.homes import ROOT
from tests.browser.app import PATIENCE, address_of, running_browser, shipped, visit


def main():
    """Write one picture a page to assets/screenshots/."""
    with shipped() as address, running_browser() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        for name in ("start", "mistakes", "try_picture", "play"):
            visit(page, address_of(address, name))
            # a photograph of pictures: as PNG it would have six times the bytes
            page.screenshot(path=ROOT / "assets" / "screenshots" / f"{name}.jpg", type="jpeg", quality=88)


if __name__ == "__main__":
    main()
