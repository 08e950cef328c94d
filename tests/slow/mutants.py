"""Try a random sample of planted faults on the tests beside them; `mutmut run`, which tries all, takes days.

python -m tests.slow.mutants --count 150 [--rooms core/report]

Needs `pip install mutmut==3.8.1`. Where faults are planted stands in pyproject.toml. All of them stand in one copy of
the tree; each is switched on in a process that runs the tests beside its module until one fails.
"""

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
# copied; all else of the tree is linked to
COPIED = ("core", "dashboard", "tests", "assets", "train.py", "pyproject.toml")
# test files of a module, at most: its own, then those that import it, the shortest first
MOST = 10
# seconds after which the tests of a fault are taken to hang
PATIENCE = 1800


def plant(folder):
    """Copy the tree to a folder with all faults in it, none switched on; return the lines that each changes, by name.

    A fault's name is "core.module.x_function__mutmut_3".
    """
    from mutmut.configuration import config
    from mutmut.mutation.file_mutation import mutate_file_contents

    for path in ROOT.iterdir():
        if path.name not in COPIED:
            (folder / path.name).symlink_to(path)
        elif path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder)
    changes = {}
    for path in sources(folder):
        file = path.relative_to(folder)
        if not config().should_mutate(file):
            continue
        made = mutate_file_contents(str(file), path.read_text(encoding="utf-8"))
        lines = made.code.splitlines()
        spans = {name: lines[span.start - 1 : span.end] for name, span in made.line_span_by_function_name.items()}
        for name in made.mutant_names:
            before = spans[name.rpartition("__mutmut_")[0] + "__mutmut_orig"]
            different = difflib.ndiff(before, spans[name])
            changes[f"{module_of(file)}.{name}"] = [line for line in different if line[0] in "+-"]
        path.write_text(made.code, encoding="utf-8")
    return changes


def sources(folder):
    """Return the modules of a tree, by their paths."""
    return [path for half in ("core", "dashboard") for path in sorted((folder / half).rglob("*.py"))]


def module_of(file):
    """Return the dotted name of a file of the tree."""
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


@cache
def imports_of(path):
    """Return the dotted names that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


def tests_beside(module):
    """Return the test file of a module and a few others that import it, or a module that does; relative paths."""
    readers = {module_of(path.relative_to(ROOT)) for path in sources(ROOT) if module in imports_of(path)}
    *packages, name = module.split(".")
    own = ROOT.joinpath("tests", *packages, f"test_{name}.py")
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if imports_of(path) & {module, *readers}]
    files.sort(key=lambda path: (path != own, module not in imports_of(path), path.stat().st_size))
    return [str(path.relative_to(ROOT)) for path in files[:MOST]]


def passes(folder, tests, fault=""):
    """Switch a fault on, run tests in the copy, and check that none fails and that they end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-o", "addopts=", "-m", "not slow and not browser", *tests]
    environment = os.environ | {"MUTANT_UNDER_TEST": fault, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def room_of(name):
    """Return the package of a fault, or its module in the package on top."""
    return "/".join(name.split(".")[:2])


def main():
    """Plant faults in a copy of the tree, try a sample there, and print what was not killed and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="faults to try; default: 1000")
    parser.add_argument("--seed", type=int, default=1, help="of the sample; default: 1")
    parser.add_argument("--rooms", nargs="*", default=[], help="packages that it is of, as in the table; default: all")
    options = parser.parse_args()
    tally = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        changes = plant(folder)
        names = sorted(name for name in changes if not options.rooms or room_of(name) in options.rooms)
        chosen = random.Random(options.seed).sample(names, min(options.count, len(names)))
        beside = {name: tests_beside(name.rpartition(".")[0]) for name in chosen}
        for tests in {*map(tuple, beside.values())}:
            assert passes(folder, tests), f"one fails without a fault: {tests}"
        for number, (name, tests) in enumerate(beside.items(), 1):
            outcome = "survived" if passes(folder, tests, name) else "killed"
            tally[room_of(name)][outcome] += 1
            print(f"{number}/{len(chosen)} {outcome}: {name}", flush=True)
            if outcome == "survived":
                print(*changes[name], sep="\n", flush=True)
    print("| package | tried | killed | survived |\n| --- | --- | --- | --- |")
    for room, outcomes in sorted(tally.items()):
        killed = f"{outcomes['killed']} ({outcomes['killed'] / outcomes.total():.0%})"
        print(f"| `{room}` | {outcomes.total()} | {killed} | {outcomes['survived']} |")


if __name__ == "__main__":
    main()
