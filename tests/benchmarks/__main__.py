"""Every ratio that the project claims, in one command; writes BENCHMARKS.md from what it measured.

python -m tests.benchmarks [--parts paper,slic,...] [--detector swift] [--data data/cifake] [--out BENCHMARKS.md]
python -m tests.benchmarks --quick --detector sample --data sample --parts map   # does it work at all?

Parts can be measured one at a time: results of earlier calls on this machine, with this detector and these settings,
stay on the page with their own dates. The page is rewritten after every part.
"""

import argparse
import subprocess
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from core.detectors.storage import load_detector
from core.explain import find_detector
from core.runs.folders import ROOT
from tests.benchmarks.table import Record, Settings, machine, page

# part -> "module:function"; the function turns `Settings` into rows, and its docstring says what is compared
PARTS: dict[str, str] = {
    "paper": "explain:paper",
    "slic": "explain:slic",
    "rank": "explain:rank",
    "map": "explain:margin_map",
    "lime_certainty": "lime_certainty:rows",
    "one_colour": "one_colour:rows",
    "detector": "detector:rows",
    "dashboard": "dashboard:rows",
    "probes": "studies:probes",
    "neighbours": "studies:neighbours",
    "growth": "studies:growth",
    "trust": "studies:trust",
    "large": "large:rows",
}


def measure(part: str, settings: Settings, about: dict[str, Any]) -> Record:
    """Measure one part."""
    module, name = PARTS[part].split(":")
    function = getattr(import_module(f"tests.benchmarks.{module}"), name)
    compares = " ".join((function.__doc__ or "").split())
    print(f"\n{part}: {compares}", flush=True)
    start = time.perf_counter()
    rows = function(settings)
    now = datetime.now(UTC).isoformat(timespec="minutes")
    return Record(part, rows, about | {"date": now, "seconds": time.perf_counter() - start, "compares": compares})


def commit() -> str:
    """The commit of the code, "unknown" outside git; a plus sign marks changes since."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def main(arguments: list[str] | None = None) -> None:
    """Measure what was asked for and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--detector", default=Settings.detector)
    parser.add_argument("--data", default=Settings.data)
    parser.add_argument("--run", default=Settings.run, help="of the dashboard's pages")
    parser.add_argument("--quick", action="store_true", help="few images: does it work at all?")
    parser.add_argument("--out", type=Path, help="BENCHMARKS.md, or with --quick none, when left out")
    options = parser.parse_args(arguments)
    wanted = options.parts.split(",")
    if unknown := sorted(set(wanted) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    settings = Settings(options.detector, options.data, options.run, options.quick)
    out = options.out or (None if settings.quick else ROOT / "BENCHMARKS.md")
    detector = load_detector(find_detector(settings.detector), device="cpu")
    about: dict[str, Any] = {
        "machine": machine(),
        "detector": f"{detector.name}, width {detector.width}",
        "detector_sha256": detector.sha256,
        "settings": {"data": Path(settings.data).name, "run": settings.run, "quick": settings.quick},
        "quick": settings.quick,
        "commit": commit(),
    }
    print(f"{about['machine']}; {about['detector']}")
    for part in wanted:
        measure(part, settings, about).keep()
        kept = [Record(name, [], about).kept() for name in PARTS]
        text = page([record for record in kept if record is not None], command="python -m tests.benchmarks")
        if out is not None:
            out.write_text(text, encoding="utf-8")
    if out is not None:
        print(f"\n{out}")


if __name__ == "__main__":
    main()
