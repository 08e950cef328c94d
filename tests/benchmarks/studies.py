"""What the studies cost, part by part; each is a module of `tests/benchmarks/parts` and says what it measures.

python -m tests.benchmarks.studies [--parts probes,neighbours,growth,trust] [--detector swift] [--images 512]
"""

import argparse
from importlib import import_module
from pkgutil import iter_modules

from core.detectors.storage import load_detector
from core.explain import find_detector
from tests.benchmarks import parts
from tests.benchmarks.parts import Bench
from tests.benchmarks.table import Row, Settings, machine, shown

KNOWN = [module.name for module in iter_modules(parts.__path__)]


def part_of(name: str, bench: Bench) -> list[Row]:
    """The rows of one part, printed."""
    return shown(import_module(f"{parts.__name__}.{name}").measure(bench))


def _bench(settings: Settings) -> Bench:
    detector = load_detector(find_detector(settings.detector), device="cpu")
    return Bench(detector, 8, 1, quick=True) if settings.quick else Bench(detector, 512)


def probes(settings: Settings) -> list[Row]:
    """The probe pass, which edits, measures and judges images under every change, against bare forwards of as many."""
    return part_of("probes", _bench(settings))


def neighbours(settings: Settings) -> list[Row]:
    """Exact neighbour queries among 100,000 images against the bare matrix product that they take."""
    return part_of("neighbours", _bench(settings))


def growth(settings: Settings) -> list[Row]:
    """What ten times as many images cost an image, on a network so small that everything else shows."""
    return part_of("growth", _bench(settings))


def trust(settings: Settings) -> list[Row]:
    """Studies of trust: their time in forwards, against a plain loop over torchcam and lime, and ten times as many
    images."""
    return part_of("trust", _bench(settings))


def main() -> None:
    """Print the ratios of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(KNOWN), help=f"of {', '.join(KNOWN)}")
    parser.add_argument("--detector", default=Settings.detector)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few images: does it work at all?")
    options = parser.parse_args()
    wanted = options.parts.split(",")
    if unknown := sorted(set(wanted) - set(KNOWN)):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    print(f"{machine()}; {options.detector}")
    detector = load_detector(find_detector(options.detector), device="cpu")
    bench = Bench(detector, options.images, options.repeats, options.quick)
    for name in wanted:
        print(f"\n{(import_module(f'{parts.__name__}.{name}').__doc__ or '').splitlines()[0]}", flush=True)
        part_of(name, bench)


if __name__ == "__main__":
    main()
