"""The experiment of Play: who gets which help, and what follows from the answers."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from core.answers.reliance import COLUMNS, HELPS, Answers, AnswersError, assign_helps, measure_reliance

IS_WRONG = np.array([0, 1, 0, 0, 0, 0, 1, 0, 0, 0], bool)


@pytest.mark.parametrize("helps", [tuple(HELPS), ("alone", "verdict", "flip"), ("alone", "verdict")])
def test_every_picture_has_every_help_once_in_as_many_players(helps):
    plans = np.array([assign_helps(IS_WRONG, player, helps) for player in range(len(helps))])
    assert all(sorted(plan) == sorted(helps) for plan in plans.T)
    for plan in plans:
        # nobody has one help alone for the wrong verdicts, and the shares of the right ones differ by one at most
        assert len(set(plan[IS_WRONG])) == 2
        counts = Counter(plan[~IS_WRONG])
        assert max(counts.values()) - min(counts.get(name, 0) for name in helps) <= 1


def made(players):
    """Players who are right alone, and follow every verdict that they see."""
    rows = []
    for player in range(players):
        for picture, help_ in enumerate(assign_helps(IS_WRONG, player, tuple(HELPS))):
            verdict = "FAKE" if IS_WRONG[picture] else "REAL"
            choice = "REAL" if help_ == "alone" else verdict
            rows.append((player, "g", "r", f"{picture}", "REAL", verdict, help_, choice))
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize("players", [4, 8])
def test_following_wrong_verdicts_is_measured_beside_being_right(players):
    measured = {row.help: row for row in measure_reliance(made(players))}
    assert list(measured) == list(HELPS)
    for help_, row in measured.items():
        assert row.followed.value == (help_ != "alone")
        assert row.accuracy.value == pytest.approx(1.0 if help_ == "alone" else 0.8)
        assert row.accuracy.n == 10 * players // 4
        assert row.followed.n == players // 2
        # a few people say nothing about others
        assert row.accuracy.has_interval == (players >= 5)
        if row.accuracy.has_interval:
            assert row.accuracy.low <= row.accuracy.value <= row.accuracy.high


def test_answers_add_up_over_games_and_are_kept_once(tmp_path):
    answers = Answers(tmp_path / "deep" / "answers.sqlite")
    assert answers.frame().empty
    assert [answers.begin(game) for game in ("a", "a", "b", "a")] == [(1, 0), (2, 1), (3, 0), (4, 2)]
    rows = made(2).to_dict("records")
    for row in [*rows, {**rows[0], "choice": "another"}]:
        answers.add({str(name): value for name, value in row.items()})
    pd.testing.assert_frame_equal(Answers(answers.path).frame(), made(2), check_dtype=False)
    answers.path.write_bytes(b"nothing that SQLite wrote" * 100)
    with pytest.raises(AnswersError):
        answers.frame()
