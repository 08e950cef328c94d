"""Kill what writes, and let its writes fail: the next start finds nothing corrupt, and nothing lost that was done.

python -m tests.slow.kills --count 100

For each piece of work: every change to a file fails in turn, with a full disk and with one that is read-only from then
on; then the disk is full in the midst of files of several sizes, until as many writes have failed as are asked for;
then the process is killed (SIGKILL), half of the times at a moment drawn evenly from all that an undisturbed work
takes, half right before a random change to a file.
After each the next start is made, and what it finds is compared with what an undisturbed work comes to. Ends with a
table, and with status 1 where anything was corrupt or lost.
"""

import argparse
import errno
import importlib
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# a child of a process with threads of its own can hang; one thread is enough for what is this small
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.faults import KILL, Outcome, faulty, in_child, small_disk
from tests.slow.works import ANEW, CORRUPT, DONE, LOST, RESUMED, SILENT, WORKS, Problems, Work, problem_of

ERRORS = {"full disk": errno.ENOSPC, "read-only": errno.EROFS}
COLUMNS = (
    "write errors", "said so", "went on", "kills", "in a write", RESUMED, DONE, ANEW, CORRUPT, LOST, SILENT,
)  # fmt: skip
# what lies about while something is written
UNFINISHED = (".*.tmp", ".*.old", "*-journal")


@dataclass
class Account:
    """What came of one piece of work.

    Attributes:
        counts: by `COLUMNS`.
        problems: a line on each thing that was wrong.
        sentences: what was said of write errors, and how often.
        stages: what the work was at when it was killed, and how often.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    sentences: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, problems: Problems) -> None:
        """Note what was wrong after one fault."""
        for kind, sentence in problems:
            self.counts[kind] += 1
            self.problems.append(f"{what}: {kind}: {sentence}")


@dataclass
class Suffered:
    """What became of one work under a fault.

    Attributes:
        first: how the work ended.
        unfinished: whether the fault left something half written.
        found: what the next start found: ANEW, RESUMED or DONE.
        problems: what was wrong with it.
    """

    first: Outcome
    unfinished: bool
    found: str
    problems: Problems


@dataclass
class Trial:
    """One piece of work, prepared, and what it comes to without a fault.

    Attributes:
        work: what is done.
        template: the folder that it begins with.
        expected: its result.
        changes: how many changes to files it makes.
        seconds: how long it takes.
        largest: bytes of the largest file that it leaves.
    """

    work: Work
    template: Path
    expected: Any
    changes: int
    seconds: float
    largest: int

    def suffer(self, *, at: int = 0, what: int = 0, size: int | None = None, after: float | None = None) -> Suffered:
        """Do the work with a fault, then make the next start."""
        with tempfile.TemporaryDirectory(prefix="telltale-kills-") as kept:
            folder = Path(kept) / "work"
            shutil.copytree(self.template, folder)

            def do(report: Callable[[Any], None]) -> str:
                with faulty(folder, at=at, what=what), small_disk(size):
                    return self.work.do(folder, report)

            first = in_child(do, kill_after=after)
            unfinished = any(any(folder.rglob(pattern)) for pattern in UNFINISHED)
            second = in_child(lambda _: self.work.check(folder, first.reports, self.expected))
            found, problems = second.result or (ANEW, [(CORRUPT, second.error or "the next start died")])
            if first.error:
                problems = [*problems, (SILENT, first.error.strip().splitlines()[-1])]
            if first.result:
                problems = [*problems, *problem_of(first.result, folder)]
        return Suffered(first, unfinished, found, problems)


def prepare(work: Work, folder: Path, *, times: int = 3) -> Trial:
    """Make what the work needs, and do it a few times without a fault."""
    template, done = folder / "template", folder / "done"

    def make(_: Callable[[Any], None]) -> None:
        template.mkdir(parents=True)
        work.enter(template)
        work.prepare(template)

    made = in_child(make)
    if made.error:
        raise RuntimeError(made.error)

    def count(report: Callable[[Any], None]) -> tuple[int, list[str]]:
        with faulty(done) as faults:
            said = work.do(done, report)
        if said:
            raise RuntimeError(said)
        return faults.seen, list(sys.modules)

    def whole() -> Outcome:
        shutil.rmtree(done, ignore_errors=True)
        shutil.copytree(template, done)
        return in_child(count)

    first = whole()
    # what is imported here no child has to import again; importing starts none of the threads that working starts
    for module in first.result[1] if first.result else ():
        with suppress(ImportError):
            importlib.import_module(module)
    wholes = [whole() for _ in range(times)]
    found = in_child(lambda _: work.result(done))
    if problem := first.error or wholes[-1].error or found.error:
        raise RuntimeError(problem)
    seconds = statistics.median(whole.seconds for whole in wholes)
    return Trial(work, template, found.result, wholes[-1].result[0], seconds, _largest(template, done))


def _largest(template: Path, done: Path) -> int:
    """Bytes of the largest file that was written between the two."""
    files = [file.relative_to(done) for file in done.rglob("*") if file.is_file()]
    return max(
        (done / file).stat().st_size
        for file in files
        if not (template / file).exists() or (template / file).read_bytes() != (done / file).read_bytes()
    )


def fail_writes(
    trial: Trial, account: Account, every: int = 1, *, first: int = 1, in_turn: bool = False, least: int = 0
) -> Iterator[str]:
    """Every `every`-th change fails from the `first` on, and disks of several sizes are full.

    Each fails with both errors, or, `in_turn`, with one of them. Where that comes to less than `least` failures, disks
    of further sizes are full, drawn from all that are smaller than the largest file.
    """
    kinds = list(ERRORS.items())
    faults: list[tuple[str, dict[str, Any]]] = [
        (f"{name} at change {at} of {trial.changes}", {"at": at, "what": number})
        for at in range(first, trial.changes + 1, every)
        for name, number in (kinds[at % 2 :][:1] if in_turn else kinds)
    ]
    if first == 1:
        own = trial.work.sizes
        others = sorted(set(range(trial.largest)) - set(own))
        missing = max(0, least - len(faults) - len(own))
        sizes = [*own, *sorted(random.Random(0).sample(others, min(missing, len(others))))]
        faults += [(f"full at {size} bytes", {"size": size}) for size in sizes]
    for what, fault in faults:
        suffered = trial.suffer(**fault)
        account.counts["write errors"] += 1
        if suffered.first.result:
            account.counts["said so"] += 1
            account.sentences[re.sub(r"/\S*telltale-kills-[^/]*/work/", "", suffered.first.result)] += 1
        elif not suffered.first.error:
            account.counts["went on"] += 1
        account.add(what, suffered.problems)
        yield what


def kill(trial: Trial, account: Account, count: int, chance: random.Random) -> Iterator[str]:
    """Kill it `count` times; one that was through before its moment came counts for nothing."""
    number = 0
    while number < count:
        if number % 2:
            at = chance.randint(1, trial.changes)
            what, suffered = f"killed before change {at} of {trial.changes}", trial.suffer(at=at, what=KILL)
        else:
            after = chance.uniform(0, trial.seconds)
            what, suffered = f"killed after {after:.3f} of {trial.seconds:.3f} s", trial.suffer(after=after)
        if suffered.first.killed:
            number += 1
            account.counts["kills"] += 1
            account.counts["in a write"] += suffered.unfinished
            account.counts[suffered.found] += 1
            account.stages[trial.work.stage(suffered.first.reports)] += 1
        account.add(what, suffered.problems)
        yield what


def show(accounts: dict[str, Account]) -> None:
    """The table, and below it what was wrong."""
    print(f"{'':16}" + "".join(f"{name:>14}" for name in COLUMNS))
    total: Counter[str] = Counter()
    for name, account in accounts.items():
        total += account.counts
        print(f"{name:16}" + "".join(f"{account.counts[column]:>14}" for column in COLUMNS))
    print(f"{'all':16}" + "".join(f"{total[column]:>14}" for column in COLUMNS))
    for name, account in accounts.items():
        print(f"{name} was killed at: " + ", ".join(f"{stage} ({n})" for stage, n in sorted(account.stages.items())))
        for sentence, times in account.sentences.most_common(3):
            print(f"{name} said {times} times: {sentence}")
        for problem in account.problems:
            print(f"{name}: {problem}")


def main(arguments: list[str] | None = None) -> int:
    """Do it all; 1 where anything was corrupt, lost, or unsaid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--count", type=int, default=100, help="kills of each piece of work; as many writes fail, or more"
    )
    parser.add_argument("--every", type=int, default=1, help="let only every N-th change fail")
    parser.add_argument("--first", type=int, default=1, help="of these; so that several processes share them")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args(arguments)
    chance, accounts = random.Random(options.seed), {}
    # stopped by hand, it shows what was done until then
    with tempfile.TemporaryDirectory(prefix="telltale-kills-") as kept, suppress(KeyboardInterrupt):
        for name in options.only:
            account = accounts[name] = Account()
            trial = prepare(WORKS[name](), Path(kept) / name.replace(" ", "-"))
            print(f"{name}: {trial.changes} changes to files in {trial.seconds:.2f} s", flush=True)
            writes = fail_writes(trial, account, options.every, first=options.first, least=options.count)
            for step in (writes, kill(trial, account, options.count, chance)):
                for done in step:
                    if sys.stderr.isatty():
                        print(f"\r\033[K{name}: {done}", end="\r", file=sys.stderr)
    show(accounts)
    return int(any(account.problems for account in accounts.values()))


if __name__ == "__main__":
    sys.exit(main())
