"""Words of commands that a reader pastes into the shell of the system that gave them."""

import os
import shlex
import subprocess
from collections.abc import Iterable


def quote(word: str) -> str:
    """Quote a word of a command; on Windows as programs there read it, else as POSIX shells do."""
    return subprocess.list2cmdline([word]) if os.name == "nt" else shlex.quote(word)


def join(words: Iterable[str]) -> str:
    """Join words to a command, each quoted."""
    return " ".join(map(quote, words))
