"""One HTML page with what a run and its studies come to, or a comparison of two runs on the same images.

python -m core.report swift@cifake-test --out FILE
python -m core.report swift@cifake-test paper@cifake-test              the comparison as sentences
python -m core.report swift@cifake-test paper@cifake-test --out FILE
"""

import argparse
import sys
from pathlib import Path
from urllib.parse import parse_qsl

from core.console import started, starting

if __name__ == "__main__":
    # the libraries below take seconds to read
    starting("core.report")

import pandas as pd

from core.images.image_set import DATA_HELP, FAKE_HELP, DataPath
from core.images.loading import load_with_bar
from core.report.comparison import comparison_report, comparison_words, gather_comparison
from core.report.page import gather, save_report
from core.report.selection import Selection
from core.runs.filter import COLUMNS, RESERVED, Filter
from core.runs.folders import command_homes, find_named, find_runs
from core.runs.pictures import find_pictures
from core.runs.rows import find_rows
from core.runs.run import Run, read_run, same_images
from core.runs.tags import Tags
from core.storage import ContractError, cache_dir, write_bytes_atomically
from core.studies.columns import added_by_studies, browse_table, further_columns, verdicts_of

# of Explore's address, beside the filter
OF_PAGES = ("run", "versus", "pick", "also", "compare", "tile", "maps", "at")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what goes wrong is one sentence on standard error and exit status 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.out is None and options.other is None:
        parser.error("the following arguments are required: --out")
    if options.other is not None and options.select:
        parser.error("--select is for the report of one run")
    try:
        run = read_run(find_run(options.run))
        if options.other is not None:
            compare(run, read_run(find_run(options.other)), options.out)
            return 0
        parts = gather(run, (run.path.parents[1], *command_homes()))
        if options.select:
            asked = dict(parse_qsl(options.select.lstrip("?")))
            table = _table(run, asked)
            wanted = Filter.from_params(asked, table)
            _check_select(asked, wanted, table)
            tagged = Tags(cache_dir() / "tags.sqlite").ids(wanted.tag) if wanted.tag else frozenset()
            found = find_rows(table, wanted, tagged=tagged)
            other = Path(asked.get("versus", "").rstrip("/\\")).name
            parts["table"], parts["selection"] = table, Selection(wanted, found, other)
            sets = []
            if options.data:
                data = DataPath(options.data, options.fake_classes.split(","))
                sets = [load_with_bar(data, run.split, fit=run.preprocessing, skip_bad=True)]
            parts["pictures"] = find_pictures(run, sets)
        save_report(options.out, run, **parts)
    except KeyboardInterrupt as stopped:
        print(f"\ncore.report: {'; '.join(filter(None, ('stopped', str(stopped))))}.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"core.report: {error}", file=sys.stderr)
        return 2
    print(f"Written to {options.out}")
    return 0


def compare(first: Run, second: Run, out: Path | None) -> None:
    """Print the comparison of two runs, or write it as an HTML page to the file `out`."""
    compared = gather_comparison(first, second)
    if out is None:
        print(comparison_words(compared))
        return
    text = comparison_report(compared)
    write_bytes_atomically(out, lambda file: file.write_text(text, encoding="utf-8"))
    print(f"Written to {out}")


def find_run(name: str) -> Path:
    """The folder of a run: a name in `runs/` or `assets/runs/`, or else a folder's own path.

    Raises:
        ContractError: there is none of that name.
    """
    return find_named(name, find_runs(), "run")


def _check_select(asked: dict[str, str], wanted: Filter, table: pd.DataFrame) -> None:
    """Refuse what fits no image: an address leaves it out, but here the report would be on others. Name unknown keys.

    Raises:
        ContractError: a column has no such value.
    """
    used = {name for name, *_ in (*wanted.choices, *wanted.ranges)}
    columns = {key: COLUMNS.get(key, key) for key in asked if key not in (*RESERVED, *OF_PAGES)}
    if lost := [key for key, column in columns.items() if column in table and column not in used]:
        named = ", ".join(f"{key}={asked[key]}" for key in lost)
        raise ContractError(f"--select: {named} fits no image; copy the address of Explore with that filter")
    if odd := [key for key, column in columns.items() if column not in table]:
        print(f"core.report: --select: {', '.join(odd)} is no filter of this run and is ignored.", file=sys.stderr)


def _table(run: Run, asked: dict[str, str]) -> pd.DataFrame:
    """Return the run's rows with what the filter names further: columns that studies do not offer, another run.

    Raises:
        ContractError: the other run is missing, damaged, or not on the same images.
    """
    further = further_columns(run.path)
    also = [name for name in dict.fromkeys((*asked, asked.get("sort", "").removeprefix("-"))) if name in further]
    table = browse_table(run)
    parts = [table, added_by_studies(run.path, table["id"], also, offered=False)] if also else [table]
    if versus := asked.get("versus"):
        other = read_run(find_run(versus))
        if not same_images(run, other):
            raise ContractError(f"{other.name} is not another run on the images of {run.name}")
        parts.append(verdicts_of(other, table["id"]))
    return pd.concat(parts, axis=1) if len(parts) > 1 else table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a name in runs/ or assets/runs/, or a folder")
    parser.add_argument("other", nargs="?", help="a run on the same images, to compare it with")
    parser.add_argument("--out", type=Path, help="the HTML file to write; may be left out for a comparison")
    parser.add_argument(
        "--select", default="", help="report on some images only: a filter as in Explore's address, true=REAL&said=FAKE"
    )
    parser.add_argument("--data", help=f"where their pictures are, if not in the run: 'cifake-test', or {DATA_HELP}")
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=FAKE_HELP)
    return parser


if __name__ == "__main__":
    started()
    sys.exit(main())
