"""Does help make people rely on a detector where it is right, and only there? An experiment in ten pictures.

Each picture is judged alone, with the verdict, with verdict and map, or with verdict and flip; a fifth of the verdicts
are wrong. What counts is how often people are right, and how often they follow a wrong verdict, under each help.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Mask
from core.findings.contrast import Measure
from core.findings.intervals import clustered_share, exact_sign_test

# help -> what a person sees beside the picture
HELPS = {
    "alone": "Alone",
    "verdict": "With the verdict",
    "map": "Verdict and map",
    "flip": "Verdict and flip",
}
COLUMNS = ("player", "game", "run", "picture", "label", "verdict", "help", "choice")
# of the test of who is better
LEVEL = 0.05
# enough for three thousand players
MOST_ROWS = 30_000
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS players (player INTEGER PRIMARY KEY, game TEXT)",
    f"CREATE TABLE IF NOT EXISTS answers ({', '.join(COLUMNS)}, PRIMARY KEY (player, picture))",
)
ADD = "INSERT OR IGNORE INTO answers VALUES (:player, :game, :run, :picture, :label, :verdict, :help, :choice)"


class AnswersError(ValueError):
    """Answers that were not kept or cannot be read; the message says why."""


class Reliance(NamedTuple):
    """What people did under one help.

    Attributes:
        help: key of `HELPS`.
        accuracy: share of the pictures that people named rightly.
        followed: share of the pictures called wrongly where people said the same as the verdict; alone, without having
            seen it, which is what the other helps are compared with.
    """

    help: str
    accuracy: Measure
    followed: Measure


def assign_helps(is_wrong: Mask, player: int, helps: Sequence[str]) -> list[str]:
    """Assign a help to each picture of a game, in equal shares among right and among wrong verdicts.

    Each next player has the next help at each picture, so that over as many players as there are helps, each picture
    is judged once under each.

    Args:
        is_wrong: bool (N,), which verdicts are wrong.
        player: 0 for the first of a game.
        helps: keys of `HELPS`, those that there is data for.
    """
    # two wrong verdicts of one game are half of the helps apart
    step = max(1, len(helps) // 2)
    place = np.where(is_wrong, step * (np.cumsum(is_wrong) - 1), np.cumsum(~is_wrong) - 1)
    return [helps[(int(at) + player) % len(helps)] for at in place]


def measure_reliance(answers: pd.DataFrame) -> list[Reliance]:
    """Measure what people did under each help; intervals treat players as drawn, and need five of them.

    Args:
        answers: a row an answer, with `COLUMNS`.
    """
    measured = []
    for help_ in HELPS:
        own = answers[answers["help"] == help_]
        if len(own):
            misled = own[own["verdict"] != own["label"]]
            accuracy = _share(own["choice"] == own["label"], own["player"])
            measured.append(Reliance(help_, accuracy, _share(misled["choice"] == misled["verdict"], misled["player"])))
    return measured


def _share(hits: "pd.Series[bool]", players: "pd.Series[int]") -> Measure:
    return replace(clustered_share(hits.to_numpy(bool), players.to_numpy(np.int64)), sources=players.nunique())


class Answers:
    """The answers given on this machine, in one small SQLite file; safe to use from several threads and processes.

    Args:
        path: the file, created with its folder when the first player begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, game: str) -> tuple[int, int]:
        """Note a player who begins a game.

        Returns:
            The player's number among all, and among those of this game, 0 for the first.

        Raises:
            AnswersError: the file cannot be written.
        """
        with self._open() as connection:
            player = connection.execute("INSERT INTO players (game) VALUES (?)", (game,)).lastrowid
            before = "SELECT COUNT(*) FROM players WHERE game = ? AND player < ?"
            (place,) = connection.execute(before, (game, player)).fetchone()
        return int(player or 0), int(place)

    def add(self, answer: Mapping[str, str | int]) -> None:
        """Keep an answer; the first of a player to a picture counts.

        Args:
            answer: with `COLUMNS`.

        Raises:
            AnswersError: the file is full or cannot be written.
        """
        with self._open() as connection:
            if connection.execute("SELECT COUNT(*) FROM answers").fetchone()[0] >= MOST_ROWS:
                raise AnswersError(f"{self.path} holds {MOST_ROWS:,} answers; move it away to begin again.")
            connection.execute(ADD, dict(answer))

    def frame(self) -> pd.DataFrame:
        """Return all answers, a row each, with `COLUMNS`.

        Raises:
            AnswersError: the file cannot be read.
        """
        if not self.path.exists():
            return pd.DataFrame(columns=COLUMNS)
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM answers ORDER BY rowid").fetchall()
        return pd.DataFrame(rows, columns=COLUMNS)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path)) as connection, connection:
                for table in SCHEMA:
                    connection.execute(table)
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise AnswersError(f"{self.path} cannot be used ({error}); check that its disk is writable.") from error


def compare(labels: Sequence[str], yours: Sequence[str], detectors: Sequence[str]) -> str:
    """Say who was better, as far as the answers to the same images allow (McNemar's exact test at 5%)."""
    pairs = [(you == label, it == label) for label, you, it in zip(labels, yours, detectors, strict=True)]
    only_you = pairs.count((True, False))
    only_it = pairs.count((False, True))
    if only_you == only_it:
        return "You and the detector are level."
    lead = "You beat the detector." if only_you > only_it else "The detector beat you."
    if exact_sign_test(only_you, only_it) > LEVEL:
        return f"{lead} {len(pairs)} answers are too few to say that one of you is better: this may be luck."
    return f"{lead} On the same {len(pairs)} images that is hardly luck."
