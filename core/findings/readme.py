"""Blocks of a Markdown file that a command writes: each between a comment that names the command and one that ends it.

`<!-- python -m core.findings ARGUMENTS -->` ... `<!-- end -->`, and likewise for other commands.
"""

import re
import shlex
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.runs.metrics import ECE_BINS, PAPER
from core.runs.run import Run, told_apart
from core.storage import write_bytes_atomically

WIDTH = 120


def blocks_of(command: str) -> re.Pattern[str]:
    """The blocks of a command: the comment that names it, its arguments, and the comment that ends it."""
    return re.compile(rf"(<!-- python -m {re.escape(command)} (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)


COLUMNS = (
    "", "accuracy", "without leaks and repeats", "FAKE precision / recall / F1", "REAL precision / recall / F1",
    "FAKE called REAL", "REAL called FAKE", "AUROC", f"calibration error ({ECE_BINS} bins)",
)  # fmt: skip


def update(path: Path, write: Callable[[Sequence[str]], str], *, command: str) -> None:
    """Write the blocks of one command in a Markdown file again; the other arguments are those of `rewrite`."""
    again = rewrite(path.read_text(encoding="utf-8"), write, command=command)
    write_bytes_atomically(path, lambda file: file.write_text(again, encoding="utf-8"))


def rewrite(text: str, write: Callable[[Sequence[str]], str], *, command: str) -> str:
    """Return a Markdown text with every block of one command regenerated.

    Args:
        text: of the file.
        write: returns a block's Markdown, given the arguments in its opening comment.
        command: the command whose blocks are regenerated; others stay as they are.
    """
    return blocks_of(command).sub(
        lambda found: f"{found[1]}\n{wrapped(write(shlex.split(found[2])))}\n\n{found[3]}", text
    )


def wrapped(markdown: str) -> str:
    """Lists in lines of at most `WIDTH` characters; tables as they are."""
    lines = (
        textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        if line.startswith("- ")
        else line
        for line in markdown.splitlines()
    )
    return "\n".join(lines)


def quality(runs: Sequence[Run]) -> str:
    """How good the detectors of some runs are, as a Markdown table that begins with the paper's numbers."""
    rows = [["the paper", *_numbers(PAPER, None)]]
    for run, name in zip(runs, told_apart(runs), strict=True):
        every, clean = (run.manifest["metrics"][name] for name in ("all", "clean"))
        numbers = _numbers(every, clean.get("accuracy")) if every["images"] else [""] * (len(COLUMNS) - 1)
        rows.append([f"`{name}`", *numbers])
    head = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def _numbers(metrics: Mapping[str, Any], clean: float | None) -> list[str]:
    (_, fake_real), (real_fake, _) = metrics["confusion"]
    classes = (metrics["per_class"][name] for name in ("FAKE", "REAL"))
    scores = (" / ".join(_rounded(one[name], 3) for name in ("precision", "recall", "f1")) for one in classes)
    ends = (_rounded(metrics.get(name)) for name in ("auroc", "ece"))
    return [_rounded(metrics["accuracy"]), _rounded(clean), *scores, f"{fake_real:,}", f"{real_fake:,}", *ends]


def _rounded(value: float | None, digits: int = 4) -> str:
    """A number with no more digits than were stated, nothing where there is none."""
    return "" if value is None else min(f"{value:g}", f"{value:.{digits}f}", key=len)
