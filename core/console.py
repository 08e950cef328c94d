"""The terminal side of a command: a clean exit on Ctrl-C from the first moment, and names in every script."""

import functools
import os
import re
import shlex
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

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


def starting(command: str) -> None:
    """Make Ctrl-C end this process with one sentence and exit status 130 while a command imports its libraries.

    KeyboardInterrupt is not enough: during import, libraries swallow it or turn it into another error.

    Args:
        command: its name in that sentence, for instance "core predict".
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os.write(2, f"\n{command}: stopped before it began; nothing has changed.\n".encode())
        os._exit(130)

    # a background process may have been started with SIGINT ignored
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)


def command(
    name: str, *, stopped: str = ""
) -> Callable[[Callable[[list[str] | None], object]], Callable[[list[str] | None], int]]:
    """Make the main function of a command from one that raises what goes wrong.

    Args:
        name: of the command, which begins its messages, for instance "core predict".
        stopped: what is left after Ctrl-C, where the interrupt does not say.

    Returns:
        A decorator. The function returns 0; 2 after a ValueError, an OSError or a lack of memory, with a sentence on
        standard error; or 130 after Ctrl-C.
    """

    def decorate(run: Callable[[list[str] | None], object]) -> Callable[[list[str] | None], int]:
        @functools.wraps(run)
        def main(arguments: list[str] | None = None) -> int:
            if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, signal.default_int_handler):
                # that of `starting`
                signal.signal(signal.SIGINT, signal.default_int_handler)
            if isinstance(sys.stdout, TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")
            try:
                run(arguments)
                sys.stdout.flush()
            except BrokenPipeError:
                # whoever reads has what it wants, as `head` does; Python would complain when it closes stdout
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            except KeyboardInterrupt as error:
                print(f"\n{name}: {'; '.join(filter(None, ('stopped', str(error) or stopped)))}.", file=sys.stderr)
                return 130
            except Exception as error:
                if not (sentence := sentence_of(error)):
                    raise
                print(f"{name}: {sentence}", file=sys.stderr)
                return 2
            return 0

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
        return f"{error.filename} cannot be used ({error.strerror}); see to that first"
    if isinstance(error, ValueError) and (found := getattr(error, "errors", None)):
        # pydantic's own, which takes a while to import
        first = found()[0]
        name = ".".join(map(str, first["loc"]))
        return f"{name} cannot be {first['input']!r} ({first['msg']})" if name else str(first["msg"])
    return str(error) if isinstance(error, ValueError | OSError) else ""


def progress_to(bar: "tqdm[Any]") -> Callable[..., None]:
    """Return a function of (done, total, text) that moves a progress bar; the text is optional."""

    def move(done: int, total: int, text: str = "") -> None:
        bar.total = total
        bar.set_postfix_str(text, refresh=False)
        bar.update(done - bar.n)

    return move


def quote(word: str) -> str:
    """Quote a word of a command; on Windows as programs there read it, else as POSIX shells do."""
    return subprocess.list2cmdline([word]) if os.name == "nt" else shlex.quote(word)


def join(words: Iterable[str]) -> str:
    """Join words to a command, each quoted."""
    return " ".join(map(quote, words))
