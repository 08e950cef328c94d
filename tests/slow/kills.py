"""Kill what writes, and let its writes fail: the next start finds nothing corrupt, and repeats nothing that was done.

python -m tests.slow.kills --count 100

Each piece of work reports what is done. It suffers as many failing writes (a full disk, a disk that is read-only from
some change on, files that cannot grow beyond some size) as kills (SIGKILL right before a random change to a file). Then
it is started again, undisturbed: it must end with the result of an undisturbed work, and do nothing again that was
reported. Ends with status 1 where that did not hold.
"""

import argparse
import errno
import io
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

# a child of a process with threads of its own can hang; one thread is enough for what is this small
os.environ.setdefault("OMP_NUM_THREADS", "1")


from core.commands import train
from core.commands.study import main as make_study
from core.detectors.storage import load_detector
from core.runs.run import read_run
from core.studies.store import read_study, study_path
from core.studies.study import STUDIES
from tests.conftest import write_cifake
from tests.core.studies import conftest as studies
from tests.faults import KILL, faulty, in_child, small_disk

# what happened, why, and what to do
SENTENCE = re.compile(r"[^\n]+ (could not|cannot) be [^\n]+ \([^\n]+\)[;,] [^\n]+")


def call(program, arguments, line):
    """Run a command with each line that it prints reported; what it says of its failure, "" for none."""

    class Lines(io.StringIO):
        def write(self, text):
            for part in filter(str.strip, text.splitlines()):
                line(part)
            return len(text)

    with redirect_stdout(Lines()), redirect_stderr(io.StringIO()) as errors:
        status = program([str(argument) for argument in arguments])
    # progress stands before it where the machine is slow
    last = errors.getvalue().strip().rpartition("\n")[2]
    return (last or f"nothing, and ended with {status}") if status else ""


class Training:
    """`train.py` on a tiny network; an epoch is reported."""

    def prepare(self, folder):
        write_cifake(folder / "cifake", train=8, test=4)

    def do(self, folder, report):
        if (folder / "out" / "detectors" / "tiny").exists():
            return ""
        arguments = ["--data", folder / "cifake", "--recipe", "sample", "--name", "tiny", "--out", folder / "out"]
        arguments += ["--device", "cpu", "--resume", "--precision", "float32"]
        arguments += ["--width", 4, "--epochs", 3, "--batch-size", 8]

        def line(text):
            if epoch := re.match(r"epoch (\d+)/", text):
                report(epoch[1])

        return call(train.main, arguments, line)

    def result(self, folder):
        detector = load_detector(folder / "out" / "detectors" / "tiny", device="cpu")
        return detector.sha256, read_run(folder / "out" / "runs" / "tiny@images-test").predictions["margin"].tolist()


class Studies:
    """`python -m core study` with six shards; a shard that later ones have followed is reported."""

    def prepare(self, folder):
        studies.write_made(folder / "home", 36)

    def do(self, folder, report):
        if study_path(folder / "home" / "runs" / "tiny@made-test", "brightness").exists():
            return ""
        begun = []

        def compute(context, rows, parameters):
            # a shard is kept before the next begins
            for first in begun[-1:]:
                report(first)
            begun.append(int(rows[0]))
            return studies.brightness(context, rows, parameters)

        STUDIES["brightness"] = f"{studies.__name__}:STUDY"
        studies.STUDY = replace(studies.BRIGHTNESS, shard=6, compute=compute)
        arguments = ["brightness", "--run", folder / "home" / "runs" / "tiny@made-test", "--device", "cpu"]
        return call(make_study, arguments, lambda _: None)

    def result(self, folder):
        run = read_run(folder / "home" / "runs" / "tiny@made-test")
        return read_study(study_path(run.path, "brightness"), run).table[["id", "brightness"]].to_numpy().tolist()


WORKS = {work.__name__.lower(): work for work in (Training, Studies)}


def suffer(work, template, expected, **fault):
    """Do a work with a fault and start it again without; how the first ended, and what was wrong."""
    with tempfile.TemporaryDirectory(prefix="telltale-kills-") as kept:
        folder = Path(kept) / "work"
        shutil.copytree(template, folder)

        def do(report):
            os.environ["TELLTALE_CACHE"] = str(folder / "cache")
            with faulty(folder, at=fault.get("at", 0), what=fault.get("what", 0)), small_disk(fault.get("size")):
                return work.do(folder, report)

        def again(report):
            os.environ["TELLTALE_CACHE"] = str(folder / "cache")
            if sentence := work.do(folder, report):
                raise RuntimeError(sentence)
            return work.result(folder)

        first = in_child(do)
        second = in_child(again)
        problems = []
        if second.error or second.result != expected:
            problems.append(f"corrupt: {second.error or 'another result than without a fault'}")
        if repeated := {*first.reports} & {*second.reports}:
            problems.append(f"repeated: {sorted(repeated)}")
        sentence = first.error or first.result or ""
        if sentence and ("Traceback" in sentence or not SENTENCE.fullmatch(sentence) or str(folder) not in sentence):
            problems.append(f"no sentence: {sentence}")
    return first, problems


def trial(name, folder, count, chance):
    """Let `count` writes of a work fail, by both errors and by the size of a file in turn, and kill it as often."""
    work = WORKS[name]()
    template = folder / name
    whole = folder / f"{name} undisturbed"

    def undisturbed(_):
        os.environ["TELLTALE_CACHE"] = str(template / "cache")
        template.mkdir(parents=True)
        work.prepare(template)
        shutil.copytree(template, whole)
        os.environ["TELLTALE_CACHE"] = str(whole / "cache")
        with faulty(whole) as faults:
            sentence = work.do(whole, lambda _: None)
        if sentence:
            raise RuntimeError(sentence)
        return work.result(whole), faults.seen

    outcome = in_child(undisturbed)
    if outcome.error:
        raise RuntimeError(outcome.error)
    expected, changes = outcome.result
    counts = Counter()
    problems = []
    for number in range(2 * count):
        fault = {"at": chance.randint(1, changes), "what": (errno.ENOSPC, errno.EROFS, KILL, KILL)[number % 4]}
        if number % 8 == 0:
            fault = {"size": int(10 ** chance.uniform(0, 5))}
        first, wrong = suffer(work, template, expected, **fault)
        counts.update(tried=1, killed=first.killed, said=bool(first.result), wrong=bool(wrong))
        problems += [f"{name}, {fault}: {problem}" for problem in wrong]
    print(name, dict(counts), flush=True)
    return problems


def main():
    """Do it all; 1 where anything was corrupt, repeated, or unsaid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="kills, and failing writes, of each piece of work")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="telltale-kills-") as kept:
        chance = random.Random(0)
        problems = [problem for name in WORKS for problem in trial(name, Path(kept), options.count, chance)]
    print(*problems, sep="\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
