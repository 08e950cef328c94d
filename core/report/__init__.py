"""Reports of runs, images and findings, from the same tables and figures as the dashboard, by templates."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from core.console import one_direction
from core.findings.numbers import percent


def render(template: str, **values: Any) -> str:
    """Fill in a template; in HTML strangers' text is escaped."""
    return ENVIRONMENT.get_template(template).render(**values)


def _finalize(value: Any) -> Any:
    """Keep a stranger's text from reversing the sentence around it; markup is our own."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return one_direction(value)
    return value


ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(),
    finalize=_finalize,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals["percent"] = percent
