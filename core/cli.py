"""One command for everything: `telltale SUBCOMMAND` where it is installed, or `python -m core SUBCOMMAND`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pkgutil import resolve_name

from core.arguments import cues, detectors, explain, findings, judgement, predict, report, runs, study, train
from core.arguments import serve as serving
from core.console import PROGRAM, command, starting
from core.homes import ROOT

Parse = Callable[[list[str] | None], argparse.Namespace]
# subcommand -> what reads its arguments, the function that takes what was read, and what it does
COMMANDS: dict[str, tuple[Parse, str, str]] = {
    "explain": (explain.parse, "core.explain:main", "explain a detector's prediction on one image"),
    "train": (train.parse, "train:main", "train a detector, test it once, and make its run"),
    "predict": (predict.parse, "core.predict:main", "make a run: a detector on an image set"),
    "study": (study.parse, "core.studies.command:main", "ask a study of a run"),
    "cues": (cues.parse, "core.cues.cues:main", "train on versions of an image set that keep one thing only"),
    "judgement": (
        judgement.parse,
        "core.answers.judgement:main",
        "measure how far verdicts on uploads can be believed",
    ),
    "findings": (findings.parse, "core.commands.findings:main", "print what the studies of a run found"),
    "report": (report.parse, "core.report.page:main", "write a run as one HTML page"),
    "runs": (runs.parse, "core.manage:runs", "make a run from a table of scores; list, rename or remove runs"),
    "detectors": (
        detectors.parse,
        "core.manage:detectors",
        "add a detector that others made; list, rename or remove detectors",
    ),
    "serve": (serving.parse, "core.cli:serve", "show runs and detectors in the dashboard"),
}


@command(PROGRAM)
def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0, 2 after an error in one sentence, or 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    lines = "\n".join(f"  {name:10} {text}" for name, (_, _, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=f"{lines}\n\n`{PROGRAM} SUBCOMMAND --help` shows the options of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subcommand", choices=COMMANDS, metavar="SUBCOMMAND", help="one of these")
    name = parser.parse_args(words[:1]).subcommand
    parse, function, _ = COMMANDS[name]
    options = parse(words[1:])
    # the libraries of a subcommand take seconds to import
    starting(f"{PROGRAM} {name}")
    return int(resolve_name(function)(options))


@command(f"{PROGRAM} serve")
def serve(options: argparse.Namespace) -> int:
    """Serve the dashboard until it is stopped; what is no option here is one of `streamlit run`."""
    words = [sys.executable, "-m", "dashboard", *options.rest]
    environment = os.environ | {"TELLTALE_HOME": str(options.home.resolve())}
    # the server's settings are read from there
    os.chdir(ROOT)
    if os.name != "nt":
        # in place of this process, so that whatever stops it stops the server
        os.execve(words[0], words, environment)  # noqa: S606
    return subprocess.call(words, env=environment)  # noqa: S603 - no shell
