"""Try a random sample of planted faults on the tests beside them; `mutmut run`, which tries all, takes hours.

python -m tests.slow.mutants --count 150

Needs `pip install mutmut==3.8.1`. Where faults are planted stands in pyproject.toml. All of them stand in one copy of
the tree, libraries are imported once, and each fault is switched on in a fork that runs the tests which reach it.
"""

import argparse
import ast
import difflib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# the fault that is switched on, as "core.module.x_function__mutmut_3"; processes that tests start inherit it
FAULT = "TELLTALE_FAULT"
ORIGINAL = "_mutmut_orig"
# what each fault changes, in the copy
CHANGES = "changes.json"
# copied, what faults may write to, too; all else of the tree is linked to
COPIED = ("core", "dashboard", "tests", "assets", "train.py", "pyproject.toml")
# test files that import a module, at most, the shortest first, beside its own
MOST = 8
# seconds of tests that try one fault, as they take without one
SECONDS = 60
# how much longer they may take with it
SLOWER = 5
PYTEST = ("-q", "-o", "addopts=", "-m", "not slow and not browser", "-p", "no:cacheprovider")
# functions that were called, as "core.module.x_function"
reached = set()


def switched(faults, *, is_classmethod=False):
    """Decorate a function, in the sources that mutmut writes, so that the fault that is switched on stands in for it.

    Args:
        faults: function's name -> function: the original and each fault; filled after this call.
        is_classmethod: whether they are class methods.
    """

    def decorate(function):
        @wraps(function)
        def call(*args, **kwargs):
            original = faults[ORIGINAL]
            reached.add(f"{function.__module__}.{original.__name__.removesuffix(f'_{ORIGINAL}')}")
            module, _, name = os.environ.get(FAULT, "").rpartition(".")
            chosen = faults.get(name, original) if module == function.__module__ else original
            if is_classmethod:
                return getattr(args[0], chosen.__name__)(*args[1:], **kwargs)
            return chosen(*args, **kwargs)

        return call

    return decorate


def plant(folder):
    """Copy the tree to a folder with all faults in it, none switched on.

    Returns:
        Name -> `lines`, the ones that it changes, and `tests`, from `tests_beside`.
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
    for path in sorted(file for half in COPIED[:2] for file in (folder / half).rglob("*.py")):
        file = path.relative_to(folder)
        if not config().should_mutate(file):
            continue
        made = mutate_file_contents(str(file), path.read_text(encoding="utf-8"))
        lines = made.code.splitlines()
        tests = [str(test) for test in tests_beside(module_of(file))]
        spans = {name: lines[span.start - 1 : span.end] for name, span in made.line_span_by_function_name.items()}
        for name in made.mutant_names:
            before = spans[name.rpartition("__mutmut_")[0] + f"_{ORIGINAL}"]
            different = [
                line for line in difflib.ndiff(before, spans[name]) if line[0] in "+-" and "__mutmut_" not in line
            ]
            changes[f"{module_of(file)}.{name}"] = {"lines": "\n".join(different), "tests": tests}
        code = made.code.replace(
            "from mutmut.mutation.trampoline import wrap_in_trampoline as", "from tests.slow.mutants import switched as"
        )
        path.write_text(code.replace(", MutantDict\n", "\nMutantDict = dict\n"), encoding="utf-8")
    return changes


def module_of(file):
    """Return the dotted name of a file of the tree."""
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


@cache
def imports_of(file):
    """Return the dotted names that a file of the tree imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


def tests_beside(module):
    """Return the test files of a module and its package and a few that import it, or else one that does.

    Returns:
        Paths relative to the tree.
    """
    *packages, name = module.split(".")
    folder = Path("tests", *packages)
    own = [folder / f"test_{name}.py", folder / f"test_{packages[-1]}.py", folder.with_name(f"test_{packages[-1]}.py")]
    files = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")]
    files = [file for file in files if file.parts[1] not in ("slow", "browser")]
    sources = [path.relative_to(ROOT) for half in COPIED[:2] for path in (ROOT / half).rglob("*.py")]
    sources.append(Path("train.py"))
    readers = {module_of(file) for file in sources if module in imports_of(file)}
    # those that import the module itself come first
    rank = {file: (module not in imports_of(file), (ROOT / file).stat().st_size) for file in files}
    near = [file for file in files if imports_of(file) & {module, *readers}]
    rest = [file for file in sorted(near, key=rank.get) if file not in own]
    return [file for file in own if file in files] + rest[:MOST]


class Reach:
    """A plugin of pytest: of each test that passes, the seconds that it takes and the functions that it reaches."""

    def __init__(self):
        self.tests = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        """Measure a test with its fixtures."""
        reached.clear()
        start = time.monotonic()
        failed = item.session.testsfailed
        yield
        if item.session.testsfailed == failed:
            self.tests[item.nodeid] = (time.monotonic() - start, sorted(reached))


def forked(work, seconds):
    """Do work in a fork that prints nothing; return its exit status, None where the time was up."""
    child = os.fork()
    if not child:
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        status = 70
        try:
            status = work()
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.05)
    # servers that its tests have started, too
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if done:
        return os.waitstatus_to_exitcode(status)
    os.waitpid(child, 0)
    return None


def measure(file):
    """Run a test file without a fault: test -> seconds, and functions that it reaches; tests that fail are left out."""
    measured = Path(f"{'.'.join(file.parts)}.reach")

    def work():
        reach = Reach()
        pytest.main([*PYTEST, *temporary(), str(file)], plugins=[reach])
        part = measured.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(reach.tests), encoding="utf-8")
        part.replace(measured)
        return 0

    if not measured.exists() and forked(work, 1800) != 0:
        return {}
    return json.loads(measured.read_text(encoding="utf-8"))


def temporary():
    """Return pytest's option for a temporary folder of this process alone."""
    return "--basetemp", f"temporary-{os.getpid()}"


def judge(name, beside):
    """Switch a fault on and run the tests of these files that reach it: "killed", "survived", "not reached"."""
    module, _, fault = name.rpartition(".")
    function = f"{module}.{fault.rpartition('__mutmut_')[0]}"
    outcome = "not reached"
    # most are killed by the first
    for files in (beside[:1], beside[1:]):
        reaching = {
            test: took for file in files for test, (took, called) in measure(Path(file)).items() if function in called
        }
        if reaching:
            outcome = "killed" if is_killed(name, reaching) else "survived"
        if outcome == "killed":
            break
    if outcome == "not reached":
        # what is called at import alone has run before the fault was switched on
        passing = {test: took for file in beside for test, (took, _called) in measure(Path(file)).items()}
        if passing and is_killed(name, passing, afresh=True):
            outcome = "killed"
    return outcome


def is_killed(name, reaching, *, afresh=False):
    """Switch a fault on, run tests that reach it, the quickest first, and check that one fails or hangs.

    Args:
        name: of the fault.
        reaching: test -> seconds that it takes without a fault; those beyond a minute together are left out.
        afresh: whether the modules are imported again, with the fault.
    """
    tests = []
    seconds = 0.0
    for test, took in sorted(reaching.items(), key=lambda pair: pair[1]):
        if not tests or seconds + took < SECONDS:
            tests.append(test)
            seconds += took

    def work():
        os.environ[FAULT] = name
        arguments = ["-x", *PYTEST, *temporary(), *tests]
        if afresh:
            return subprocess.call([sys.executable, "-m", "pytest", *arguments])
        return int(pytest.main(arguments))

    return forked(work, 30 + SLOWER * seconds) != 0


def run():
    """Try a sample in the copy, whose folder is the working directory, and print what was not killed and a table."""
    options = options_of()
    os.environ["OMP_NUM_THREADS"] = "1"
    changes = json.loads(Path(CHANGES).read_text(encoding="utf-8"))
    for module in ("torch", "sklearn.linear_model", "scipy.stats", "streamlit.testing.v1"):
        importlib.import_module(module)
    names = sorted(name for name in changes if not options.rooms or room_of(name) in options.rooms)
    chosen = options.names or random.Random(options.seed).sample(names, min(options.count, len(names)))
    for module in sorted({name.rpartition(".")[0] for name in chosen}):
        importlib.import_module(module)
    tally = defaultdict(Counter)
    for number, name in enumerate(chosen, 1):
        outcome = judge(name, changes[name]["tests"])
        tally[room_of(name)][outcome] += 1
        print(f"{number}/{len(chosen)} {outcome}: {name}", flush=True)
        if outcome != "killed":
            print(changes[name]["lines"], flush=True)
    planted = Counter(map(room_of, names))
    print("| package | mutants | tried | killed | survived | not reached |\n| --- | --- | --- | --- | --- | --- |")
    for room, outcomes in sorted(tally.items()):
        tried = outcomes.total()
        killed = outcomes["killed"]
        rest = f"{outcomes['survived']} | {outcomes['not reached']}"
        print(f"| `{room}` | {planted[room]:,} | {tried} | {killed} ({killed / tried:.0%}) | {rest} |")


def room_of(name):
    """Return the package of a fault, or its module in the package on top."""
    return "/".join(name.split(".")[:2])


def options_of():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="faults to try; default: 1000")
    parser.add_argument("--seed", type=int, default=1, help="of the sample; default: 1")
    parser.add_argument("--rooms", nargs="*", default=[], help="packages that it is of, as in the table; default: all")
    parser.add_argument("--names", nargs="*", default=[], help="try these instead, named as they are printed")
    return parser.parse_args()


def main():
    """Plant faults in a copy of the tree, and try some there."""
    options_of()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, CHANGES).write_text(json.dumps(plant(Path(folder))), encoding="utf-8")
        # what the planted sources import must be the module that runs
        code = "from tests.slow.mutants import run; run()"
        subprocess.run([sys.executable, "-c", code, *sys.argv[1:]], cwd=folder, check=True)


if __name__ == "__main__":
    main()
