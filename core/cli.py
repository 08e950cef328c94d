"""One command for everything: `telltale SUBCOMMAND` where it is installed, or `python -m core SUBCOMMAND`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

from core.console import PROGRAM, command, parser_of, starting
from core.homes import DEFAULT, ROOT, home

# subcommand -> the function that takes its arguments, and what it does
COMMANDS = {
    "explain": ("core.explain:main", "explain a detector's prediction on one image"),
    "train": ("train:main", "train a detector, test it once, and make its run"),
    "predict": ("core.predict:main", "make a run: a detector on an image set"),
    "study": ("core.studies.command:main", "ask a study of a run"),
    "cues": ("core.studies.cues:main", "train on versions of an image set that keep one thing only"),
    "judgement": ("core.studies.judgement:main", "measure how far verdicts on uploads can be believed"),
    "findings": ("core.studies.conclusions:main", "print what the studies of a run found"),
    "report": ("core.report.page:main", "write a run as one HTML page"),
    "runs": ("core.manage:runs", "make a run from a table of scores; list, rename or remove runs"),
    "detectors": ("core.manage:detectors", "add a detector that others made; list, rename or remove detectors"),
    "serve": ("core.cli:serve", "show runs and detectors in the dashboard"),
}


@command(PROGRAM)
def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0, 2 after an error in one sentence, or 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    lines = "\n".join(f"  {name:10} {text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=f"{lines}\n\n`{PROGRAM} SUBCOMMAND --help` shows the options of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subcommand", choices=COMMANDS, metavar="SUBCOMMAND", help="one of these")
    name = parser.parse_args(words[:1]).subcommand
    if name == "serve":
        return serve(words[1:])
    # the libraries of a subcommand take seconds to import
    starting(f"{PROGRAM} {name}")
    return int(resolve_name(COMMANDS[name][0])(words[1:]))


def serve(arguments: list[str]) -> int:
    """Serve the dashboard until it is stopped; what is no option here is passed to `streamlit run`."""
    parser = parser_of("serve", f"{COMMANDS['serve'][1].capitalize()}. Other options are Streamlit's: --server.port N.")
    help_ = f"folder with runs/ and detectors/ of your own, shown beside what ships; default: {DEFAULT}"
    parser.add_argument("--home", type=Path, default=home(), help=help_)
    options, rest = parser.parse_known_args(arguments)
    words = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), *rest]
    environment = os.environ | {"TELLTALE_HOME": str(options.home.resolve())}
    # the server's settings are read from there
    os.chdir(ROOT)
    if os.name != "nt":
        # in place of this process, so that whatever stops it stops the server
        os.execve(words[0], words, environment)  # noqa: S606
    return subprocess.call(words, env=environment)  # noqa: S603 - no shell
