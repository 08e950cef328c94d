"""The examples in docstrings run, and what a reader would look up has a source, a formula and an example."""

import doctest
from importlib import import_module

import pytest

from core.explainers.registry import explainers
from core.homes import ROOT

ROOMS = ("core/explainers/**/*.py", "core/perturbations/*.py", "core/runs/metrics.py", "core/findings/*.py")


def modules():
    for pattern in ROOMS:
        for path in sorted(ROOT.glob(pattern)):
            if ">>> " in path.read_text():
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("module", [*modules()])
def test_examples_run(module):
    results = doctest.testmod(import_module(module))
    assert results.failed == 0
    assert results.attempted


@pytest.mark.parametrize("name", [explainer.name for explainer in explainers()])
def test_explainers_state_their_source_and_have_an_example(name):
    (explainer,) = (method for method in explainers() if method.name == name)
    text = type(explainer).__doc__ or ""
    assert "https://" in text
    assert ">>> " in text
