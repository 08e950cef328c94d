"""Show runs and detectors in the dashboard. Other options are Streamlit's: --server.port N."""

import argparse
from pathlib import Path

from core.console import parser_of
from core.homes import DEFAULT, home


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; `rest` is what is passed to `streamlit run`."""
    parser = parser_of("serve", __doc__)
    # what is no option here is passed on, not guessed
    parser.allow_abbrev = False
    help_ = f"folder with runs/ and detectors/ of your own, shown beside what ships; default: {DEFAULT}"
    parser.add_argument("--home", type=Path, default=home(), help=help_)
    options, rest = parser.parse_known_args(arguments)
    options.rest = rest
    return options
