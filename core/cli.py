"""One command for everything: `telltale SUBCOMMAND` where it is installed, or `python -m core SUBCOMMAND`."""

import argparse
import sys

from core.commands import cues, detectors, explain, findings, judgement, predict, report, runs, serve, study, train
from core.console import PROGRAM, command

# subcommand -> the function that takes its arguments, and what it does
COMMANDS = {
    "explain": (explain.main, "explain a detector's prediction on one image"),
    "train": (train.main, "train a detector, test it once, and make its run"),
    "predict": (predict.main, "make a run: a detector on an image set"),
    "study": (study.main, "ask a study of a run"),
    "cues": (cues.main, "train on versions of an image set that keep one thing only"),
    "judgement": (judgement.main, "measure how far verdicts on uploads can be believed"),
    "findings": (findings.main, "print what the studies of a run found"),
    "report": (report.main, "write a run as one HTML page"),
    "runs": (runs.main, "make a run from a table of scores; list runs"),
    "detectors": (detectors.main, "add a detector that others made; list detectors"),
    "serve": (serve.main, "show runs and detectors in the dashboard"),
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
    run, _ = COMMANDS[parser.parse_args(words[:1]).subcommand]
    return run(words[1:])
