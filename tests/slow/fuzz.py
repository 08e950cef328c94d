"""Mutated images through upload decoding: they do what sound ones do, or say why not.

python -m tests.slow.fuzz --minutes 10 [--seed N]

What goes wrong is printed with what is needed to see it again (`mutated_image` makes an image of a seed and a number
again); ends with counts, and with status 1 where anything went wrong.
"""

import argparse
import functools
import itertools
import multiprocessing
import os
import random
import re
import resource
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

from core.images.decoding import RESAMPLING, ImageError, decode
from core.images.preprocessing import Preprocessing, prepare_pixels
from tests.corpus import foreign

# of CPU time; none of up to 20 million pixels takes over 1 s
SECONDS = 4
# the largest file, a HEIC of 48 million pixels, takes 246
MEGABYTES = 275
# of wall clock, before a process that uses no CPU is taken to hang
PATIENCE = 120.0
PREPROCESSING = (Preprocessing(32), Preprocessing(224, 256, "after"))
SENTENCE = re.compile(r"[A-Z][^\n]+\.")
ODD = (b"\0", b"\x7f\xff", b"\xff" * 4, b"\x80\0\0\0", struct.pack(">I", 20_000_001), b"\xff\xda", b"IEND", b"\0" * 64)


@functools.cache
def sound_files():
    """Files of every kind that is read, small, so that a mutation hits something."""
    return tuple(case.data for case in foreign() if case.shape and len(case.data) < 10_000)


def mutate(data, chance):
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


def mutated_image(seed, number):
    """The mutated file of that number, the same for the same seed."""
    chance = random.Random(f"{seed} {number}")
    data = chance.choice(sound_files())
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = mutate(data, chance)
    return with_checksums(data) if chance.random() < 0.6 else data


def with_checksums(data):
    """A PNG whose checksums fit what is in it, so that readers go on past them; any other file as it is."""
    at = 8 if data.startswith(b"\x89PNG") else len(data)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        data = data[:end] + struct.pack(">I", zlib.crc32(data[at + 4 : end])) + data[end + 4 :]
        at = end + 4
    return data


def peak():
    """The most memory that this process has held since it was last asked to forget, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def judge(data, steps):
    """What becomes of an upload: "image", "sentence" or "wrong"; what is said; (height, width, shape that is seen)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = peak()
    begun = time.process_time()
    shape = ()
    try:
        ready = prepare_pixels(decode(data), steps)
    except ImageError as error:
        what = str(error)
        fits = SENTENCE.fullmatch(str(error)) and len(str(error)) < 300
        outcome = "sentence" if fits else "wrong"
    except Exception as error:  # noqa: BLE001 - whatever it is, a visitor would see it
        outcome = "wrong"
        what = f"{type(error).__name__}: {error}"
    else:
        what = f"{ready.width} x {ready.height}"
        kept = len(ready.filters)
        fits = ready.pixels.shape == (kept, steps.size, steps.size, 3) and kept in (1, len(RESAMPLING))
        outcome = "image" if fits else "wrong"
        shape = (ready.height, ready.width, *ready.pixels.shape[1:])
    seconds = time.process_time() - begun
    megabytes = peak() - before
    if seconds > SECONDS or megabytes > MEGABYTES:
        return "wrong", f"{seconds:.1f} s and {megabytes:.0f} MB for {what}", shape
    return outcome, what, shape


def _judge_many(uploads, answers):
    for data, steps in uploads:
        soft = int(time.process_time()) + SECONDS + 2
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
        answers.send(judge(data, steps))
    answers.close()
    os._exit(0)


def judge_apart(uploads):
    """Judge uploads in a child, and in another one after each that it hung on or died of."""
    while uploads:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=_judge_many, args=(uploads, theirs))
        process.start()
        theirs.close()
        try:
            while uploads and ours.poll(PATIENCE):
                answer = ours.recv()
                uploads = uploads[1:]
                yield answer
        except EOFError:
            pass
        process.kill()
        process.join()
        if uploads:
            uploads = uploads[1:]
            yield "wrong", f"its process hung or died ({process.exitcode})", ()


def fuzz_images(seed, until):
    """(number, outcome, what) of one mutated image after the other, for two kinds of detector in turn."""
    for first in itertools.takewhile(lambda _: time.monotonic() < until, itertools.count(0, 100)):
        numbers = range(first, first + 100)
        uploads = [(mutated_image(seed, number), PREPROCESSING[number % 2]) for number in numbers]
        for number, (outcome, what, _) in zip(numbers, judge_apart(uploads), strict=True):
            yield number, outcome, what


def main():
    """Fuzz, print counts; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what is mutated, and how")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    counts = Counter()
    for number, outcome, what in fuzz_images(options.seed, time.monotonic() + 60 * options.minutes):
        counts[outcome] += 1
        if outcome == "wrong":
            print(f"{number}: {what}", flush=True)
    print(f"{counts.total()} tried; {dict(counts)}")
    return int(bool(counts["wrong"]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
