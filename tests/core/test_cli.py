"""The one command: its subcommands, its help, and how it ends."""

import pytest

from core.cli import COMMANDS, main


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "serve"])
def test_each_subcommand_shows_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "usage: " in capsys.readouterr().out


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), ([], 2), (["perdict"], 2)])
def test_without_a_known_subcommand_it_says_which_there_are(
    words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == status
    text = "".join(capsys.readouterr())
    assert all(name in text for name in (COMMANDS if not status else ["SUBCOMMAND"]))
