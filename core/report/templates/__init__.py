"""The HTML templates of reports, and what renders them: everything is escaped unless it is Markup."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.console import one_direction


def _finished(value: Any) -> Any:
    """Keep a stranger's text from reversing the sentence around it."""
    return one_direction(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    finalize=_finished,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Fill in a template of this folder; text is escaped."""
    return _ENVIRONMENT.get_template(template).render(**values)
