"""The terminal side of a command: a clean exit on Ctrl-C from the first moment, and names in every script."""

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType


def starting(command: str) -> None:
    """Make Ctrl-C end this process with one sentence and exit status 130 while a command imports its libraries.

    KeyboardInterrupt is not enough: during import, libraries swallow it or turn it into another error.

    Args:
        command: its name in that sentence, for instance "core.predict".
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os.write(2, f"\n{command}: stopped before it began; nothing has changed.\n".encode())
        os._exit(130)

    # a background process may have been started with SIGINT ignored
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)


def started() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, and print characters that stdout cannot encode as backslash escapes."""
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
