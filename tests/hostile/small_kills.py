"""A short run of the kills: small pieces of work, changes to files fail, each or every few, then two kills.

python -m tests.hostile.small_kills FOLDER
"""

import random
import sys
from pathlib import Path
from typing import Any

from core.images.loading import load_image_set
from tests.hostile.kills import Account, fail_writes, kill, prepare, show
from tests.hostile.works import WORKS, Training

# one at a moment, one before a change
KILLS = 2
# these take longest, and write most of what they write as runs, detectors and packs are written; odd, so that the kinds
# of errors take turns
EVERY = {"training": 27, "study runner": 15, "run writer": 9, "detector writer": 9}
# as little of each as has all of its kinds of writes
SMALL: dict[str, dict[str, Any]] = {
    "training": {"epochs": 1, "sizes": (300, 20_000)},
    "pack cache": {"splits": ("train",), "sizes": (100, 4000)},
    "run writer": {"count": 2, "sizes": (200, 5000)},
    "detector writer": {"count": 2, "sizes": (200, 5000)},
    "study runner": {"images": 12, "sizes": (200, 5000)},
    "tags": {"count": 3, "sizes": (100, 4096, 8192)},
}


class Packed(Training):
    """A training that finds its images packed: packing them is a work of its own."""

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        for split in ("train", "test"):
            load_image_set(folder / "cifake", split)


def attack(name: str, folder: Path) -> None:
    """Let one work's writes fail and kill it, and check what is left."""
    kind = {"training": Packed}.get(name, WORKS[name])
    trial = prepare(type(kind.__name__, (kind,), SMALL[name])(), folder / "trial", times=1)
    account = Account()
    every = EVERY.get(name, 1)
    for _ in fail_writes(trial, account, every, in_turn=True):
        pass
    for _ in kill(trial, account, KILLS, random.Random(0)):
        pass
    show({name: account})
    assert account.problems == [], account.problems
    assert account.counts["kills"] == KILLS
    assert account.counts["write errors"] == -(-trial.changes // every) + len(trial.work.sizes)
    # most changes matter; after one that does not (a name that is synced) all is as it would have been
    assert account.counts["said so"] > account.counts["write errors"] / 2


if __name__ == "__main__":
    # one process for all of them: reading torch takes as long as a work
    for number, work in enumerate(WORKS):
        print(f"== {work}", flush=True)
        attack(work, Path(sys.argv[1]) / str(number))
