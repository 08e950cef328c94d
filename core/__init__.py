"""Telltale's core: everything that is not a screen. Never imports streamlit.

`NAMES` are what a notebook needs, as `core.open_run("swift@cifake-test")`; docs/notebook.ipynb uses each. They are
imported when they are first asked for.
"""

from pkgutil import resolve_name
from typing import Any

# name -> `module:ATTRIBUTE`
NAMES = {
    "open_detector": "core.explain:open_detector",
    "explain_image": "core.explain:explain_image",
    "draw": "core.explain:draw",
    "load_image_set": "core.images.loading:load_image_set",
    "write_run": "core.runs.writing:write_run",
    "open_run": "core.runs.run:open_run",
    "run_study": "core.studies.runner:run_study",
    "read_study": "core.studies.store:read_study",
    "FindingTable": "core.findings.table:FindingTable",
}


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"core has no {name}; it has {', '.join(NAMES)}")
    return resolve_name(NAMES[name])


def __dir__() -> list[str]:
    return [*globals(), *NAMES]
