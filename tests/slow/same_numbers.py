"""Compare the numbers of the shipped studies and of their findings with those of a revision.

python -m tests.slow.same_numbers 37456c1
"""

import io
import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq

from core.findings.contrast import to_json
from core.homes import ROOT
from core.runs.folders import find_runs
from core.runs.run import read_run
from core.studies.store import KEY, find_studies

# what a file says of itself that is about words, dates and form
WORDS = {
    "schema", "title", "question", "columns", "control", "better", "explore", "findings", "described", "sha256",
    "version", "column_versions", "created", "seconds", "extended", "conclusions",
}  # fmt: skip


def main(arguments):
    """Print what differs; 1 where anything does."""
    (revision,) = arguments
    found = [line for run in find_runs((ROOT / "assets",)).values() for line in studies(revision, run)]
    print("\n".join(found) or f"Every number is what it was in {revision}.")
    return 1 if found else 0


def shown(revision, path):
    """A file as it was, None where there was none."""
    name = f"{revision}:{path.relative_to(ROOT).as_posix()}"
    done = subprocess.run(["git", "show", name], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def studies(revision, folder):
    """What differs in the studies of a run: values, rows, parameters, and numbers of findings that were kept then."""
    run = read_run(folder)
    answers, _ = find_studies(run)
    for file in sorted((folder / "studies").glob("*.parquet")):
        name, content = f"{folder.name} {file.stem}", shown(revision, file)
        if content is None:
            continue
        table, about = _read(content)
        now, said = _read(file.read_bytes())
        for column in dict.fromkeys([*table, *now]):
            if column not in table or column not in now:
                yield f"{name}: the column {column} is {'new' if column in now else 'gone'}"
            elif table[column].dtype != now[column].dtype or not table[column].equals(now[column]):
                yield f"{name}: the column {column} has other values"
        yield from (f"{name}: {key} differs" for key in {*about, *said} - WORDS if about.get(key) != said.get(key))
        yield from (f"{name}: {one}" for one in _concluded(about.get("findings", []), answers[file.stem].findings))


def _read(content):
    arrow = pq.read_table(io.BytesIO(content))
    return arrow.to_pandas(), json.loads(arrow.schema.metadata[KEY])


def _concluded(before, now):
    """Findings whose value or interval, as stored in the file, is not among the numbers concluded now."""
    numbers = np.array(sorted({one for one in _numbers(json.loads(to_json(now))) if one is not None}))
    for one in before:
        for end in ("value", "low", "high"):
            value = one.get(end)
            if value is not None and not np.isclose(numbers, value, rtol=1e-9, atol=1e-12).any():
                yield f"{end} of the finding {one['key']} was {value:.6g}, which no finding has now"


def _numbers(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield float(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
