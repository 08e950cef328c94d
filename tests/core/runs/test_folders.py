"""Commands to paste, read again by the parser that they are for."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core import predict
from core.runs.folders import predict_command


def asked(command: str, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """What the subcommand reads from a command."""
    found: list[argparse.Namespace] = []
    parse = argparse.ArgumentParser.parse_args

    def stopped(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
        found.append(parse(parser, arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stopped)
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "core", "predict"]
    assert predict.main(words[4:]) == 130
    return found[0]


def test_defaults_are_left_out() -> None:
    assert predict_command(Path("detectors/swift")) == "python -m core predict detectors/swift --data DATA"


def test_every_option_is_read_as_it_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "out": Path("my runs (1)"), "device": "cuda:0", "fake_classes": "a gan,$HOME", "skip_bad": True,
        "replace": True,
    }  # fmt: skip
    found = asked(predict_command(Path("detectors/it's mine"), "my set.zip", **given), monkeypatch)
    assert vars(found) == {"detector": "detectors/it's mine", "data": "my set.zip", **given}
