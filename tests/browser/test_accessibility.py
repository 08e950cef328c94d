"""axe-core finds no barrier of ours on any page, in the light and in the dark."""

from pathlib import Path

import axe_playwright_python
import pytest

from tests.browser.app import PATIENCE, visit
from tests.dashboard.conftest import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCRIPT = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
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
# rule, HTML and failure of each element; the rule that is named is off by default
VIOLATIONS = """async ([tags, streamlits]) => {
  const rules = { 'label-content-name-mismatch': { enabled: true } }
  const found = await axe.run(document, { runOnly: tags, rules, resultTypes: ['violations'], elementRef: true })
  return found.violations.flatMap((rule) => rule.nodes
    .filter((node) => !(streamlits[rule.id] && node.element.closest(streamlits[rule.id])))
    .map((node) => [rule.id, node.html.slice(0, 300), node.failureSummary || '']))
}"""


@pytest.fixture(scope="module")
def looked_at(browser):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@pytest.mark.parametrize("name, more", [*((name, "") for name in PAGES), ("mistakes", "&view=case")])
def test_no_barrier(looked_at, address, name, more):
    looked_at.emulate_media(color_scheme="light")
    visit(looked_at, f"{address}/{'' if name == PAGES[0] else name}?run=tiny%40seen-test&open=all{more}")
    looked_at.evaluate(SCRIPT)
    assert looked_at.evaluate(VIOLATIONS, [TAGS, STREAMLITS]) == []
    # the page follows the system's theme without being opened again
    looked_at.emulate_media(color_scheme="dark")
    looked_at.wait_for_function("() => getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
    looked_at.wait_for_timeout(300)
    # colours that still change, as on a busy machine, are of neither theme
    looked_at.wait_for_function("() => document.getAnimations().every((one) => !(one instanceof CSSTransition))")
    assert looked_at.evaluate(VIOLATIONS, [TAGS, STREAMLITS]) == []
