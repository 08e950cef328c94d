"""`python -m core.report RUN --out FILE`: one HTML page with what a run and its studies come to."""

import argparse
import sys
from pathlib import Path
from urllib.parse import parse_qsl

from core.browse import Filter, browse_table, find_rows
from core.pictures import find_pictures
from core.report.page import save_report
from core.report.selection import Selection
from core.run import HOMES, find_detectors, find_named, find_runs, read_run
from core.storage import ContractError, read_manifest
from core.studies.store import find_studies


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what goes wrong is one sentence on standard error and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        run = read_run(find_run(options.run))
        table = browse_table(run)
        wanted = Filter.from_params(dict(parse_qsl(options.select.lstrip("?"))), table)
        selection = Selection(wanted, find_rows(table, wanted)) if options.select else None
        found = find_studies(run)
        save_report(
            options.out,
            run,
            detector=detector_of(run.manifest["detector_sha256"]),
            answers=found.answers,
            problems=found.problems,
            table=table,
            selection=selection,
            pictures=find_pictures(run, []),
        )
    except (ValueError, OSError) as error:
        print(f"core.report: {error}", file=sys.stderr)
        return 2
    print(f"Written to {options.out}")
    return 0


def find_run(name: str) -> Path:
    """The folder of a run: a name in `runs/` or `assets/runs/`, or else a folder's own path.

    Raises:
        ContractError: there is none of that name.
    """
    return find_named(name, find_runs(), "run")


def detector_of(sha256: str, homes: tuple[Path, ...] = HOMES) -> dict[str, object] | None:
    """The manifest of the detector with these weights, None where it is not here."""
    for path in find_detectors(homes).values():
        try:
            manifest = read_manifest(path, "detector")
        except ContractError:
            continue
        if manifest.get("weights_sha256") == sha256:
            return manifest
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core.report", description=__doc__)
    parser.add_argument("run", help="a name in runs/ or assets/runs/, or a folder")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    parser.add_argument(
        "--select", default="", help="report on some images only: a filter as in Explore's address, true=REAL&said=FAKE"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
