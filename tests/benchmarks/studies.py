"""What the studies cost, part by part; each is a module of `tests/benchmarks/parts` and says what it measures.

python -m tests.benchmarks.studies [--parts probes,neighbours,growth] [--detector swift] [--images 512]
"""

import argparse
import platform
from importlib import import_module
from pkgutil import iter_modules

import torch

from core.detector import load_detector
from core.run import find_detectors
from tests.benchmarks import parts
from tests.benchmarks.parts import Bench


def main() -> None:
    """Print the ratios of each part."""
    known = [module.name for module in iter_modules(parts.__path__)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(known), help=f"of {', '.join(known)}")
    parser.add_argument("--detector", default="swift")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    wanted = options.parts.split(",")
    if unknown := sorted(set(wanted) - set(known)):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(known)}")
    print(
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {options.detector}"
    )
    bench = Bench(load_detector(find_detectors()[options.detector], device="cpu"), options.images, options.repeats)
    for name in wanted:
        module = import_module(f"{parts.__name__}.{name}")
        print(f"\n{(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.measure(bench)


if __name__ == "__main__":
    main()
