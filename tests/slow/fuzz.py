"""Mutated images through upload decoding, and mutated addresses through every page: they do what sound ones do, or say.

python -m tests.slow.fuzz --minutes 10 [--seed N]

Half of the time goes to each. What goes wrong is printed with what is needed to see it again (`mutated_image` makes an
image of a seed and a number again); ends with counts, and with status 1 where anything went wrong.
"""

import argparse
import functools
import itertools
import logging
import multiprocessing
import os
import random
import re
import resource
import struct
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlencode

from core.explainers.registry import explainers
from core.explainers.settings import describe
from core.images.decoding import RESAMPLING, ImageError, decode
from core.images.preprocessing import Preprocessing, prepare_pixels
from core.runs.filter import ALIASES, RESERVED, SORTS
from core.runs.run import read_run
from core.studies.columns import browse_table
from tests.corpus import foreign
from tests.dashboard.conftest import at_page
from tests.dashboard.test_pages import PAGES, ROOT, words
from tests.home import make_home

# of CPU time; the largest file takes 0.9 s, so that half as fast a machine still keeps the promise
SECONDS = 2
# 300 are promised; the largest file takes 150
MEGABYTES = 225
# of wall clock, before a process that uses no CPU is taken to hang
PATIENCE = 120.0
PREPROCESSING = (Preprocessing(32), Preprocessing(224, 256, "after"))
SENTENCE = re.compile(r"[A-Z][^\n]+\.")
ODD = (b"\0", b"\x7f\xff", b"\xff" * 4, b"\x80\0\0\0", struct.pack(">I", 20_000_001), b"\xff\xda", b"IEND", b"\0" * 64)
NONSENSE = (
    "", " ", "..", "../../etc/passwd", "%2e%2e%2f", "\0", "\r\nX: y", "nan", "-inf", "1e400", "-1", "0x10", "٣",
    "9" * 400, "1,2", "2..1", "nan..nan", "1..2..3", ",,,", "no", "None", "{}", "[1]", '{"a": 1}', "' OR 1=1 --",
    "<script>alert(1)</script>",
    "{{7*7}}", "%s%n", "$(ls)", "\N{RIGHT-TO-LEFT OVERRIDE}abc", "\ufeff", "a" * 5000, "../" * 1000, "%zz", "&",
    "logit:1,2;3,4;5,6", "features:nan,1;2,3;4,5", ":;;", "features:" + ";".join(["1,2"] * 61),
)  # fmt: skip
MARKS = "..,;:-_%&=/\\ '\"<>\0\n0123456789eENaninf"


@functools.cache
def sound_files() -> tuple[bytes, ...]:
    """Files of every kind that is read, small, so that a mutation hits something."""
    return tuple(case.data for case in foreign() if case.shape and len(case.data) < 10_000)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Flip bits, or replace a piece by another, by a repeated one, or by another file's end."""
    at = chance.randrange(max(1, len(data)))
    if data and chance.random() < 0.2:
        flipped = bytearray(data)
        for _ in range(chance.choice((1, 2, 8, 64))):
            flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    # half of the times near the beginning, where lengths and sizes are
    at = min(at, chance.choice((40, 200, len(data), len(data))))
    other = chance.choice(sound_files())
    piece = chance.choice((b"", *ODD, data[at : at + 100] * chance.choice((1, 50, 5000)), other[at:]))
    return data[:at] + piece + data[at + chance.choice((0, len(piece), 1, 16, 200)) :]


def mutated_image(seed: int, number: int) -> bytes:
    """The mutated file of that number, the same for the same seed."""
    chance = random.Random(f"{seed} {number}")
    data = chance.choice(sound_files())
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = mutate(data, chance)
    return with_checksums(data) if chance.random() < 0.6 else data


def with_checksums(data: bytes) -> bytes:
    """A PNG whose checksums fit what is in it, so that readers go on past them; any other file as it is."""
    at = 8 if data.startswith(b"\x89PNG") else len(data)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        data, at = data[:end] + struct.pack(">I", zlib.crc32(data[at + 4 : end])) + data[end + 4 :], end + 4
    return data


def peak() -> float:
    """The most memory that this process has held since it was last asked to forget, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def judge(data: bytes, steps: Preprocessing) -> tuple[str, str, tuple[int, ...]]:
    """What becomes of an upload: "image", "sentence" or "wrong"; what is said; (height, width, shape that is seen)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, begun, shape = peak(), time.process_time(), ()
    try:
        ready = prepare_pixels(decode(data), steps)
    except ImageError as error:
        what, fits = str(error), SENTENCE.fullmatch(str(error)) and len(str(error)) < 300
        outcome = "sentence" if fits else "wrong"
    except Exception as error:  # noqa: BLE001 - whatever it is, a visitor would see it
        outcome, what = "wrong", f"{type(error).__name__}: {error}"
    else:
        what, kept = f"{ready.width} x {ready.height}", len(ready.filters)
        fits = ready.pixels.shape == (kept, steps.size, steps.size, 3) and kept in (1, len(RESAMPLING))
        outcome, shape = "image" if fits else "wrong", (ready.height, ready.width, *ready.pixels.shape[1:])
    seconds, megabytes = time.process_time() - begun, peak() - before
    if seconds > SECONDS or megabytes > MEGABYTES:
        return "wrong", f"{seconds:.1f} s and {megabytes:.0f} MB for {what}", shape
    return outcome, what, shape


def _judge_many(uploads: Iterable[tuple[bytes, Preprocessing]], answers: Connection) -> None:
    for data, steps in uploads:
        soft = int(time.process_time()) + SECONDS + 2
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
        answers.send(judge(data, steps))
    answers.close()
    os._exit(0)


def judge_apart(uploads: list[tuple[bytes, Preprocessing]]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Judge uploads in a child, and in another one after each that it hung on or died of."""
    while uploads:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=_judge_many, args=(uploads, theirs))
        process.start()
        theirs.close()
        try:
            while uploads and ours.poll(PATIENCE):
                answer, uploads = ours.recv(), uploads[1:]
                yield answer
        except EOFError:
            pass
        process.kill()
        process.join()
        if uploads:
            uploads = uploads[1:]
            yield "wrong", f"its process hung or died ({process.exitcode})", ()


def fuzz_images(seed: int, until: float) -> Iterator[tuple[int, str, str]]:
    """(number, outcome, what) of one mutated image after the other, for two kinds of detector in turn."""
    for first in itertools.takewhile(lambda _: time.monotonic() < until, itertools.count(0, 100)):
        numbers = range(first, first + 100)
        uploads = [(mutated_image(seed, number), PREPROCESSING[number % 2]) for number in numbers]
        for number, (outcome, what, _) in zip(numbers, judge_apart(uploads), strict=True):
            yield number, outcome, what


class Addresses:
    """Addresses that nobody would write by hand: parameters of all pages with values that fit, or fit another, or none.

    Args:
        home: whose runs there are.
    """

    def __init__(self, home: Path) -> None:
        files = (ROOT / "dashboard").rglob("*.py")
        declared = {name for file in files for name in re.findall(r'\bSetting\(\s*"(\w+)"', file.read_text("utf-8"))}
        for method in explainers():
            declared |= {f"{method.name}.{setting.name}" for setting in describe(method.settings)}
        runs = sorted(path.name for path in (home / "runs").iterdir())
        table = browse_table(read_run(home / "runs" / runs[0]))
        self.values = {ALIASES.get(name, name): [*map(str, table[name].iloc[:3]), "0.1..0.9"] for name in table.columns}
        self.values |= {
            "run": runs,
            "id": list(table["id"].iloc[:5]),
            "pick": [",".join(table["id"].iloc[:3])],
            "sort": [*SORTS, "-margin", "brightness"],
            "also": ["brightness.margin,brightness.half"],
            "lime.n_samples": ["64"],
            "beside": ["other"],
            "cut": ["0.9"],
        }
        self.names = sorted({*declared, *RESERVED, *self.values, "none", "__proto__", "embed", "a b", "ü", ""})

    def draw(self, chance: random.Random) -> tuple[str, dict[str, str]]:
        """A page and its parameters."""
        parameters = {"run": chance.choice(self.values["run"])} if chance.random() < 0.7 else {}
        for name in chance.sample(self.names, chance.choice((1, 2, 5, 12))):
            fitting = self.values.get(name, ["yes", "1", "all"])
            of_another = self.values[chance.choice(sorted(self.values))]
            value = chance.choice(chance.choice((fitting, fitting, NONSENSE, NONSENSE, NONSENSE, of_another)))
            if chance.random() < 0.25:
                place = chance.randrange(len(value) + 1)
                value = value[:place] + chance.choice(MARKS) + value[place + chance.choice((0, 1)) :]
            parameters[name] = value
        return chance.choice(PAGES), parameters


def wrong_with(page: str, parameters: dict[str, str], home: Path) -> str:
    """What is wrong with what a page shows, "" for nothing."""
    try:
        app = at_page(page, parameters, timeout=120).run()
    except Exception as error:  # noqa: BLE001 - a page that ends like this shows nothing
        return f"{type(error).__name__}: {error}"
    shown = words(app)
    if app.exception or len(app.title) != 1:
        return f"an exception or {len(app.title)} titles ({[element.message for element in app.exception]})"
    if "Traceback" in shown or str(home) in shown or str(ROOT) in shown:
        return "a traceback or a folder of the server on the page"
    return "".join(f"no sentence: {error.value!r}" for error in app.error if not SENTENCE.fullmatch(error.value))


def fuzz_addresses(seed: int, until: float) -> Iterator[tuple[int, str, str]]:
    """(number, outcome, what) of one mutated address after the other, all in this process, on a small home."""
    logged: list[logging.LogRecord] = []
    listener = logging.Handler(logging.ERROR)
    listener.emit = logged.append  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(prefix="telltale-fuzz-") as folder:
        home = Path(folder) / "home"
        os.environ["TELLTALE_HOME"], os.environ["TELLTALE_CACHE"] = str(home), str(Path(folder) / "cache")
        make_home(home, Path(folder) / "cache")
        logging.getLogger().addHandler(listener)
        addresses = Addresses(home)
        for number in itertools.takewhile(lambda _: time.monotonic() < until, itertools.count()):
            page, parameters = addresses.draw(random.Random(f"{seed} {number}"))
            problem = wrong_with(page, parameters, home)
            if any(record.exc_info and record.exc_info[0] for record in logged):
                problem += f" a traceback in the log: {logged[-1].getMessage()}"
            logged.clear()
            yield number, "wrong" if problem else page, f"{problem} at {page}?{urlencode(parameters)}"


def main() -> int:
    """Fuzz both, print counts; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what is mutated, and how")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    wrong = 0
    for name, fuzz in {"images": fuzz_images, "addresses": fuzz_addresses}.items():
        counts: Counter[str] = Counter()
        for number, outcome, what in fuzz(options.seed, time.monotonic() + 30 * options.minutes):
            counts[outcome] += 1
            if outcome == "wrong":
                print(f"{name} {number}: {what}", flush=True)
        wrong += counts["wrong"]
        print(f"{name}: {counts.total()} tried, {counts['wrong']} wrong; {dict(counts)}")
    return int(bool(wrong))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    status = main()
    sys.stdout.flush()
    # a normal exit would shut torch down under the thread that owns the detectors
    os._exit(status)
