"""Write one HTML page with what a run and its studies come to, or a comparison of two runs on the same images.

python -m core report swift@cifake-test --out FILE
python -m core report swift@cifake-test paper@cifake-test --out FILE
"""

import argparse
from pathlib import Path

from core.console import command
from core.report.comparison import comparison_report, gather_comparison
from core.report.page import gather, report_of
from core.runs.folders import command_homes, find_named, find_runs
from core.runs.run import read_run
from core.storage import write_bytes_atomically


@command("core report")
def main(arguments: list[str] | None = None) -> None:
    """Write the report that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m core report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a name in runs/ or assets/runs/, or a folder")
    parser.add_argument("other", nargs="?", help="a run on the same images, to compare it with")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    options = parser.parse_args(arguments)
    runs = [read_run(find_named(name, find_runs(), "run")) for name in (options.run, options.other) if name]
    if options.other:
        text = comparison_report(gather_comparison(*runs))
    else:
        text = report_of(runs[0], **gather(runs[0], (runs[0].path.parents[1], *command_homes())))
    write_bytes_atomically(options.out, lambda file: file.write_text(text, encoding="utf-8"))
    print(f"Written to {options.out}")
