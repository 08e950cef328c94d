"""axe-core on a page: what stands in the way of people who use a screen reader, a keyboard or little contrast."""

from pathlib import Path
from typing import NamedTuple

import axe_playwright_python
from playwright.sync_api import Page

SCRIPT = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
# what Streamlit itself draws, and no page can change: rule -> where
STREAMLITS = {
    # the navigation's sections stand between a list and its items
    "list": "[data-testid=stSidebarNavItems]",
    "listitem": "[data-testid=stSidebarNavItems]",
    # the cross that clears all chosen options
    "target-size": "[data-testid=stMultiSelect]",
    "presentation-role-conflict": "[data-testid=stFileUploaderDropzone]",
}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# rules that axe-core does not yet run by itself
MORE = ["label-content-name-mismatch"]
RUN = """async ([tags, more, streamlits]) => {
  const rules = Object.fromEntries(more.map((rule) => [rule, { enabled: true }]))
  const found = await axe.run(document, { runOnly: tags, rules, resultTypes: ['violations'], elementRef: true })
  return found.violations.flatMap((rule) => rule.nodes
    .filter((node) => !(streamlits[rule.id] && node.element.closest(streamlits[rule.id])))
    .map((node) => [rule.id, node.html.slice(0, 300), node.failureSummary || '']))
}"""


class Barrier(NamedTuple):
    """An element that fails a rule of axe-core: the rule, the element's HTML, and what is wrong."""

    rule: str
    html: str
    why: str


def barriers(page: Page, *, streamlits: dict[str, str] | None = None) -> list[Barrier]:
    """All elements of the page, as it is now, that fail a rule; those that Streamlit itself draws are left out."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(SCRIPT)
    known = STREAMLITS if streamlits is None else streamlits
    return [Barrier(*found) for found in page.evaluate(RUN, [TAGS, MORE, known])]
