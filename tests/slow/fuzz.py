"""Mutated images through upload decoding, and mutated addresses through every page: they do what sound ones do, or say.

python -m tests.slow.fuzz --minutes 10 [--seed N]

Half of the time goes to each. What goes wrong is printed with what is needed to see it again, and images of it are kept
in the folder that is named; ends with counts, and with status 1 where anything went wrong.
"""

import argparse
import logging
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from core.images.decoding import RESAMPLING, ImageError, decode
from core.images.preprocessing import Preprocessing, prepare_pixels
from tests.home import make_home
from tests.slow import addresses, mutations
from tests.slow.uploads import MEGABYTES, PATIENCE, SECONDS, peak

CHUNK = 250
PREPROCESSING = (Preprocessing(32), Preprocessing(224, 256, "after"))
SENTENCE = re.compile(r"[A-Z][^\n]+\.")


def judge(data: bytes) -> tuple[str, str]:
    """What became of one image: ("image" or "sentence", what), or ("wrong", why)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, begun = peak(), time.process_time()
    try:
        # of two kinds of detector, in turn
        steps = PREPROCESSING[len(data) % 2]
        ready = prepare_pixels(decode(data), steps)
    except ImageError as error:
        sentence = str(error)
        fits = SENTENCE.fullmatch(sentence) and len(sentence) < 300 and "Traceback" not in sentence
        outcome = ("sentence" if fits else "wrong", sentence)
    except Exception as error:  # noqa: BLE001 - whatever it is, a visitor would see it
        outcome = ("wrong", f"{type(error).__name__}: {error}")
    else:
        shapes = ready.pixels.dtype == np.uint8
        kept = len(ready.filters)
        shapes &= ready.pixels.shape == (kept, steps.size, steps.size, 3) and kept in (1, len(RESAMPLING))
        outcome = ("image" if shapes else "wrong", f"{ready.width} x {ready.height}")
    seconds, megabytes = time.process_time() - begun, peak() - before
    if seconds > SECONDS or megabytes > MEGABYTES:
        return "wrong", f"{seconds:.1f} s and {megabytes:.0f} MB for {outcome[1]}"
    return outcome


def _judge_many(seed: int, first: int, count: int, answers: Connection) -> None:
    for number in range(first, first + count):
        answers.send((number, *judge(mutations.image(seed, number))))
    answers.close()
    os._exit(0)


def fuzz_images(seed: int, until: float, limit: int = sys.maxsize) -> Iterator[tuple[int, str, str]]:
    """(number, outcome, what) of one mutated image after the other, each in a child that may die of it."""
    number = 0
    while number < limit and time.monotonic() < until:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        arguments = (seed, number, min(CHUNK, limit - number), theirs)
        process = multiprocessing.get_context("fork").Process(target=_judge_many, args=arguments)
        process.start()
        theirs.close()
        goal, last = number + arguments[2], number - 1
        try:
            while time.monotonic() < until and ours.poll(PATIENCE):
                last, outcome, what = ours.recv()
                yield last, outcome, what
        except EOFError:
            pass
        process.kill()
        process.join()
        if last + 1 < goal and time.monotonic() < until:
            last += 1
            yield last, "wrong", f"its process hung or died ({process.exitcode})"
        number = last + 1


def fuzz_addresses(seed: int, until: float, limit: int = sys.maxsize) -> Iterator[tuple[int, str, str]]:
    """(number, outcome, what) of one mutated address after the other, all in this process, on a small home."""
    if not limit:
        return
    with tempfile.TemporaryDirectory(prefix="telltale-fuzz-") as kept:
        home = Path(kept) / "home"
        os.environ["TELLTALE_HOME"], os.environ["TELLTALE_CACHE"] = str(home), str(Path(kept) / "cache")
        make_home(home, Path(kept) / "cache")
        heard = addresses.Listener()
        logging.getLogger().addHandler(heard)
        try:
            visitor = addresses.Visitor(home, seed)
            for number in range(limit):
                if time.monotonic() > until:
                    break
                page, parameters = visitor.address(number)
                problem = visitor.visit(page, parameters) or heard.traceback()
                where = f"{page}?{addresses.written(parameters)}"
                yield number, "wrong" if problem else "page", f"{problem} at {where}" if problem else page
        finally:
            logging.getLogger().removeHandler(heard)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz both, print counts; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what is mutated, and how")
    parser.add_argument("--images", type=int, default=sys.maxsize, help="at most so many")
    parser.add_argument("--addresses", type=int, default=sys.maxsize, help="at most so many")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for images that went wrong")
    options = parser.parse_args(arguments)
    counts: dict[str, Counter[str]] = {"images": Counter(), "addresses": Counter()}
    half = options.minutes * 30
    begun = time.monotonic()
    print(f"seed {options.seed}", flush=True)
    for number, outcome, what in fuzz_images(options.seed, begun + half, options.images):
        counts["images"][outcome] += 1
        if outcome == "wrong":
            options.keep.mkdir(parents=True, exist_ok=True)
            file = options.keep / f"{options.seed}-{number}.bin"
            file.write_bytes(mutations.image(options.seed, number))
            print(f"image {number}: {what}; kept as {file}", flush=True)
    middle = time.monotonic()
    for number, outcome, what in fuzz_addresses(options.seed, middle + half, options.addresses):
        counts["addresses"][outcome] += 1
        if outcome == "wrong":
            print(f"address {number}: {what}", flush=True)
        else:
            counts["addresses"][what] += 1
    took = {"images": middle - begun, "addresses": time.monotonic() - middle}
    for name, found in counts.items():
        tried = found["image"] + found["sentence"] + found["page"] + found["wrong"]
        listed = ", ".join(f"{kind} {count}" for kind, count in found.most_common())
        print(f"{name}: {tried} in {took[name]:.0f} s: {listed or 'none'}; wrong {found['wrong']}")
    return int(any(found["wrong"] for found in counts.values()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    status = main()
    sys.stdout.flush()
    # a normal exit would shut torch down under the thread that owns the detectors
    os._exit(status)
