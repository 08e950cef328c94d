"""The terminal side of a command: its name, progress and tables, and a clean exit on Ctrl-C and closed pipes."""

import argparse
import functools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Any

_IS_INSTALLED = shutil.which("telltale", path=str(Path(sys.executable).parent)) is not None
# the program as it was typed, and as commands that are suggested call it; elsewhere, as on pages, as it is installed
PROGRAM = "telltale" if _IS_INSTALLED and Path(sys.argv[0]).parts[-2:] != ("core", "__main__.py") else "python -m core"
# seconds between two lines of progress where there is no terminal
PAUSE = 5.0
# characters that order the text around them from right to left, whatever that text is
BIDIRECTIONAL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_direction(text: str) -> str:
    """Strip bidirectional control characters from a stranger's text, and isolate letters written from right to left.

    Without this a name could reverse the sentence and the numbers in which it stands.
    """
    text = BIDIRECTIONAL.sub("", text)
    if text.isascii() or not any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in text):
        return text
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"


@contextmanager
def importing(name: str) -> Iterator[None]:
    """Make Ctrl-C end this process with one sentence and exit status 130 while a command imports its libraries.

    KeyboardInterrupt is not enough: during import, libraries swallow it or turn it into another error.

    Args:
        name: of the command, in that sentence.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os.write(2, f"\n{name}: stopped before it began; nothing has changed.\n".encode())
        os._exit(130)

    # a background process may have been started with SIGINT ignored
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def command(
    name: str, parse: Callable[[list[str] | None], Any] | None = None, *, stopped: str = ""
) -> Callable[[Callable[[Any], int | None]], Callable[[Any], int]]:
    """Make the main function of a command from one that raises what goes wrong.

    Args:
        name: of the command, which begins its messages, for instance f"{PROGRAM} predict".
        parse: reads the command line; without it the function is given the words.
        stopped: what is left after Ctrl-C, where the interrupt does not say.

    Returns:
        A decorator. The function returns the status that the decorated one returns, 0 for None; 2 after a ValueError,
        an OSError or a lack of memory, with a sentence on standard error; or 130 after Ctrl-C.
    """

    def decorate(run: Callable[[Any], int | None]) -> Callable[[Any], int]:
        @functools.wraps(run)
        def main(arguments: Any = None) -> int:
            if isinstance(sys.stdout, TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")
            status = None
            try:
                try:
                    if parse is not None:
                        arguments = parse(arguments)
                    status = run(arguments)
                finally:
                    # after --help, too
                    sys.stdout.flush()
            except BrokenPipeError:
                # whoever reads has what it wants, as `head` does; Python would complain when it closes stdout
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            except KeyboardInterrupt as error:
                left = str(error) or stopped
                sentence = f"{name}: stopped"
                if left:
                    sentence += f"; {left}"
                print(f"\n{sentence}.", file=sys.stderr)
                return 130
            except Exception as error:
                sentence = sentence_of(error)
                if not sentence:
                    raise
                print(f"{name}: {sentence}", file=sys.stderr)
                return 2
            return status or 0

        return main

    return decorate


def sentence_of(error: Exception) -> str:
    """Return what to show of an error that the user can do something about; "" for any other."""
    if isinstance(error, MemoryError):
        return "this machine has too little free memory; end other programs that use it"
    # torch's own, recognised by its name so that commands need not import torch for it
    if type(error).__name__ == "OutOfMemoryError":
        return "the GPU has too little free memory; end other programs that use it, or add --device cpu"
    if isinstance(error, OSError) and error.filename and type(error).__str__ is OSError.__str__:
        return f"{error.filename} cannot be used ({error.strerror}); check the file and its permissions"
    # pydantic's own, which takes a while to import
    errors = getattr(error, "errors", None)
    if isinstance(error, ValueError) and errors:
        first = errors()[0]
        name = ".".join(map(str, first["loc"]))
        if name:
            return f"{name} cannot be {first['input']!r} ({first['msg']})"
        return str(first["msg"])
    if isinstance(error, ValueError | OSError):
        return str(error)
    return ""


def parser_of(name: str, description: str | None) -> argparse.ArgumentParser:
    """Make the parser of a subcommand; the program is called in its usage and examples as it was typed."""
    text = (description or "").replace("python -m core", PROGRAM)
    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=text, formatter_class=raw)


@contextmanager
def show_progress(what: str, *, unit: str = "images") -> Iterator[Callable[..., None]]:
    """Show on standard error how far a command is: a bar on a terminal, elsewhere a line every few seconds.

    Args:
        what: is done.
        unit: of what is counted.

    Yields:
        A function of (done, total, text) to call as often as wanted; the optional text says what is being done.
    """
    # it takes a while to import
    from tqdm import tqdm  # noqa: PLC0415

    with tqdm(total=0, desc=what, unit=f" {unit}", smoothing=0.1, leave=False, disable=None) as bar:
        printed = time.monotonic()

        def move(done: int, total: int, text: str = "") -> None:
            nonlocal printed
            bar.total = total
            bar.set_postfix_str(text, refresh=False)
            bar.update(done - bar.n)
            if bar.disable and total and time.monotonic() - printed >= PAUSE:
                printed = time.monotonic()
                print(f"{text or what}: {done / total:.0%}, {done:,} of {total:,} {unit}", file=sys.stderr, flush=True)

        yield move


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool = False) -> None:
    """Print rows with the same keys, as JSON or else as a table with aligned columns."""
    if as_json:
        print(json.dumps(rows, indent=1, allow_nan=False))
        return
    lines = [[str(cell) for cell in row] for row in (*rows[:1], *(row.values() for row in rows))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def quote(word: str) -> str:
    """Quote a word of a command; on Windows as programs there read it, else as POSIX shells do."""
    return subprocess.list2cmdline([word]) if os.name == "nt" else shlex.quote(word)


def join(words: Iterable[str]) -> str:
    """Join words to a command, each quoted."""
    return " ".join(map(quote, words))
