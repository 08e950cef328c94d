"""What the documents tell readers to type works as written, from another folder than the checkout."""

import ast
import json
import os
import re
import shutil
import site
import subprocess
import sys
import venv

import numpy as np
import pandas as pd
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from core.homes import ROOT
from core.images.encoding import encode_png
from tests.conftest import jpeg, textured
from tests.core.detectors.made import make_graph
from tests.core.detectors.test_libraries import write_vit

pytestmark = pytest.mark.slow
# what commands that are not run begin with, and why
SKIPPED = {
    "pip install": "the fixture has done so, without a connection",
    "telltale serve": "serves until it is stopped; tests/dashboard/test_settings.py starts a server",
    "telltale train --data github": "downloads CIFAKE and trains for hours",
}
# the smoother, the likelier FAKE
SCORE = """
import numpy as np
from PIL import Image

def predict(path):
    return 1 / (1 + np.abs(np.diff(np.asarray(Image.open(path), float), axis=1)).mean() / 10)
"""
# of all that one needs to install the project
PARTS = ("core", "dashboard", "train.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the documents name, and `telltale` on the path, installed from a copy."""
    checkout = tmp_path / "checkout"
    made = tmp_path / "venv"
    checkout.mkdir()
    for name in PARTS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    (checkout / "assets").symlink_to(ROOT / "assets")
    venv.create(made)
    (libraries,) = made.glob("lib/python*/site-packages")
    # all else that is installed here
    (libraries / "others.pth").write_text("\n".join(site.getsitepackages()))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(made)]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--editable", str(checkout)]
    subprocess.run([*pip, "install", *options], check=True)
    monkeypatch.setenv("PATH", f"{made / 'bin'}{os.pathsep}{os.environ['PATH']}")
    work = tmp_path / "work"
    write_files(work)
    return work


def write_files(work):
    """Make a set of 4 pictures with a list of them and scores, a picture, and detectors in four forms."""
    rows = []
    for label, fine in (("fake", False), ("real", True)):
        (work / "my-pictures" / label).mkdir(parents=True)
        for number, pixels in enumerate(textured(2, fine=fine, seed=fine)):
            path = work / "my-pictures" / label / f"{number}.png"
            path.write_bytes(encode_png(pixels))
            rows.append({"path": str(path.relative_to(work)), "label": int(not fine), "score": 0.9 - 0.8 * fine})
    table = pd.DataFrame(rows)
    table[["path", "label"]].to_csv(work / "mine.csv", index=False)
    table[["path", "score"]].to_csv(work / "scores.csv", index=False)
    table[["path", "score"]].to_parquet(work / "scores.parquet", index=False)
    (work / "picture.jpg").write_bytes(jpeg(textured(1, fine=True, seed=3)[0].repeat(3, axis=0).repeat(3, axis=1)))
    write_vit(work / "their-model")
    save_file(timm.create_model("resnet18", num_classes=2).state_dict(), work / "weights.safetensors")
    (work / "model.onnx").write_bytes(make_graph(outputs=2))
    (work / "score.py").write_text(SCORE)


def commands(text):
    """The commands in the blocks of shell in a document."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("document", ["README.md", "docs/data.md", "docs/commands.md"])
def test_commands_run_as_they_are_written(folder, document):
    listed = commands((ROOT / document).read_text())
    wanted = [line for line in listed if not line.startswith(tuple(SKIPPED))]
    assert wanted
    for line in wanted:
        done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stdout[-2000:], done.stderr[-2000:])


def test_the_notebook_runs_and_shows_a_map_and_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "docs" / "notebook.ipynb").read_text())["cells"]
    names = {}
    shown = []
    for source in (cell["source"] for cell in cells if cell["cell_type"] == "code"):
        # as a notebook does, which shows the value of a cell's last line
        *before, last = ast.parse("".join(source)).body
        exec(compile(ast.Module(before, []), "cell", "exec"), names)  # noqa: S102 - our own notebook
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))  # noqa: S307
        else:
            exec(compile(ast.Module([last], []), "cell", "exec"), names)  # noqa: S102
    picture, rows, findings = shown
    assert isinstance(picture, Image.Image)
    assert np.ptp(np.asarray(picture)[..., :3])
    assert isinstance(rows, pd.DataFrame)
    assert {"label", "predicted", "margin"} <= set(rows.columns)
    assert findings.findings
    assert "<summary>" in findings._repr_html_()
