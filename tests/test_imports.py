"""Which module reads which: no circle, and nothing of the screen in core/."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in ("core", "dashboard")
    for path in (ROOT / package).rglob("*.py")
}


def imported(path):
    """Dotted names that a module imports anywhere, for its types alone and inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


IMPORTS = {module: set(imported(path)) for module, path in FILES.items()}


def test_no_modules_import_each_other_in_a_circle():
    TopologicalSorter({module: names & FILES.keys() for module, names in IMPORTS.items()}).prepare()


def test_no_import_by_a_string_hides_a_circle():
    """Registries hold names of modules as data; what imports them is not told a name of ours in a string of its own."""
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "resolve_name")):
                texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                assert not [text for text in texts if str(text).startswith(("core", "dashboard"))], module


# packages and modules of core, each of which imports only those before it
ORDER = (
    "homes", "arrays", "storage", "console", "images", "detectors", "runs",
    "perturbations", "training", "explainers", "findings", "studies", "cues", "answers", "report", "explain",
    "commands", "cli", "__main__",
)  # fmt: skip


def test_packages_import_downwards():
    for module, names in IMPORTS.items():
        if module.startswith("core.") and module != "core.__init__":
            above = ORDER[ORDER.index(module.split(".")[1]) + 1 :]
            assert not [name for name in names if name.startswith("core.") and name.split(".")[1] in above], module


def importing(half, libraries):
    """Modules of one half that import one of these."""
    return {
        module
        for module, names in IMPORTS.items()
        if module.startswith(half) and not libraries.isdisjoint(name.split(".")[0] for name in names)
    }


def test_core_knows_no_screen():
    assert not importing("core.", {"dashboard", "streamlit", "plotly"})


def test_the_dashboard_knows_no_mathematics():
    libraries = {"torch", "torchvision", "torchcam", "lime", "skimage", "sklearn", "scipy", "captum"}
    # its thread runs the detectors
    assert importing("dashboard.", libraries) == {"dashboard.jobs"}
