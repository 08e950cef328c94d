"""One press of Back leads to the page before."""

from dashboard.components.component import component

_mount = component(__file__, "one_press")


def keep_back_to_one_press() -> None:
    """Keep the browser's history free of the step that Streamlit adds where a page is opened with parameters."""
    _mount(key="one_press", data={})
