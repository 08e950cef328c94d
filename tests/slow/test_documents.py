"""What the documents tell readers to type works as written, from another folder than the checkout."""

import ast
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.runs.folders import ROOT

pytestmark = pytest.mark.slow


def test_the_notebook_runs_and_shows_a_map_and_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "docs" / "notebook.ipynb").read_text("utf-8"))["cells"]
    names: dict[str, object] = {}
    shown = []
    for source in (cell["source"] for cell in cells if cell["cell_type"] == "code"):
        # as a notebook does, which shows the value of a cell's last line
        *before, last = ast.parse("".join(source)).body
        exec(compile(ast.Module(before, []), "cell", "exec"), names)  # noqa: S102 - our own notebook
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))  # noqa: S307
        else:
            exec(compile(ast.Module([last], []), "cell", "exec"), names)  # noqa: S102
    explanation, rows, findings = shown
    with Image.open(io.BytesIO(explanation._repr_png_())) as picture:
        assert np.ptp(np.asarray(picture)[..., :3])
    assert isinstance(rows, pd.DataFrame)
    assert {"label", "predicted", "margin"} <= set(rows.columns)
    assert isinstance(findings, pd.DataFrame)
    assert len(findings)
