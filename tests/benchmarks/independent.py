"""Hold the findings of a run against a table of the same quantities that somebody measured with other code.

python -m tests.benchmarks.independent TABLE.json --run swift@cifake-test

The table is a JSON list of `{"finding": "transfer.large", "choice": "filter=nearest", "value": 0.21, "images": 135}`:

- `finding`: `<study>.<key>`, as `python -m core.findings` prints it.
- `choice` (`<kind>=<value>`), `beside` (a name), or `"part": "control"` or `"difference"`: which of its numbers is
  meant; the finding's own if none is named.
- `value`, and `images` of a share or `low` and `high` for its interval; without one it is as exact as its digits.

Two numbers agree if their intervals overlap. The exit status is 1 if any two do not, or a finding is missing.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.findings.__main__ import gather
from core.findings.finding import Choice, Finding, Measure
from core.findings.numbers import amount
from core.runs.metrics import wilson_interval


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each entry; 1 where one does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--run", default="swift@cifake-test", help="name of the run, or its folder")
    options = parser.parse_args(arguments)
    entries = json.loads(options.table.read_text(encoding="utf-8"))
    found = {f"{one.study}.{one.key}": one for one in gather(options.run)}
    print("| Finding | Ours | Theirs | |\n| --- | --- | --- | --- |")
    verdicts = []
    for entry in entries:
        finding = found.get(entry["finding"])
        ours = None if finding is None else part_of(finding, entry)
        theirs = measured(entry)
        verdicts.append("is not there" if ours is None else "agrees" if agree(ours, theirs) else "DISAGREES")
        named = [entry["finding"], *(str(entry[name]) for name in ("choice", "beside", "part") if name in entry)]
        cells = [" ".join(named), "" if ours is None else str(amount(ours, 3)), str(amount(theirs, 3)), verdicts[-1]]
        print(f"| {' | '.join(cells)} |")
    print(f"\n{verdicts.count('agrees')} of {len(verdicts)} agree")
    return int(set(verdicts) != {"agrees"})


def part_of(finding: Finding, entry: Mapping[str, Any]) -> Measure | None:
    """The number that an entry refers to; None if the finding lacks it."""
    if "beside" in entry:
        return finding.beside.get(entry["beside"])
    whole: Finding | Choice | None = finding
    if "choice" in entry:
        whole = finding.choice(*entry["choice"].split("=", 1))
    if whole is None or "part" not in entry:
        return None if whole is None else whole.measure
    if entry["part"] == "control":
        return None if whole.control is None else whole.control.measure
    return whole.difference


def measured(entry: Mapping[str, Any]) -> Measure:
    """An entry's number with its interval."""
    value = float(entry["value"])
    if "images" in entry:
        low, high = wilson_interval(round(value * entry["images"]), entry["images"])
        return Measure(value, float(low), float(high), entry["images"])
    digits = len(f"{entry['value']}".partition(".")[2])
    half = 0.5 * 10.0**-digits
    return Measure(value, float(entry.get("low", value - half)), float(entry.get("high", value + half)))


def agree(one: Measure, other: Measure) -> bool:
    """Whether two intervals have a value in common; a number without one is itself."""
    low, high = (one.low, one.high) if one.has_interval else (one.value, one.value)
    return low <= other.high and other.low <= high


if __name__ == "__main__":
    sys.exit(main())
