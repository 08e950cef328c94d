"""Show runs and detectors in the dashboard. Other options are Streamlit's: --server.port N."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from core.console import PROGRAM, command, parser_of
from core.homes import DEFAULT, ROOT, home


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


@command(f"{PROGRAM} serve", parse)
def main(options: argparse.Namespace) -> int:
    """Serve the dashboard until it is stopped; what is no option here is one of `streamlit run`."""
    words = [sys.executable, "-m", "dashboard", *options.rest]
    environment = os.environ | {"TELLTALE_HOME": str(options.home.resolve())}
    # the server's settings are read from there
    os.chdir(ROOT)
    if os.name != "nt":
        # in place of this process, so that whatever stops it stops the server
        os.execve(words[0], words, environment)  # noqa: S606
    return subprocess.call(words, env=environment)  # noqa: S603 - no shell
