"""The glossary: each term explained once, and that text is the help wherever the term stands."""

import ast

import pytest

from core.explainers.lime.regions import LIME
from core.explainers.registry import explainers
from core.explainers.settings import describe
from dashboard.components.glossary import TERMS, explain, terms_in
from tests.conftest import make_detector, textured
from tests.dashboard.conftest import ROOT, Open
from tests.dashboard.test_pages import settled


def terms_of_explainers() -> set[str]:
    """The terms in the titles, settings and sentences of the methods, which are explained where those stand."""
    titles = {one.title for one in explainers()} & set(TERMS)
    settings = [one for method in explainers() for one in describe(method.settings)]
    labels = {term for one in settings for term in terms_in(one.label, *map(one.told, one.choices))}
    image = textured(1, fine=True, seed=0)[0]
    return titles | labels | set(terms_in(LIME.explain_fully(make_detector(), image).diagnostics.sentence))


def test_every_term_stands_somewhere() -> None:
    files = [file for half in ("core", "dashboard") for file in (ROOT / half).rglob("*.py")]
    whole = "\n".join(file.read_text("utf-8") for file in files if file.name != "glossary.py").lower()
    assert [term for term in TERMS if term.lower() not in whole] == []


def test_settings_and_sentences_of_methods_explain_their_terms(open_page: Open) -> None:
    assert {"Grad-CAM", "LIME", "LIME over frequency bands", "Segment", "Sample", "SLIC", "Quickshift", "Seed", "Layer",
            "Surrogate"} <= terms_of_explainers()  # fmt: skip
    app = settled(open_page("mistakes", run="tiny@seen-test"))
    samples = app.select_slider(key="url.lime.n_samples")
    assert samples.proto.help.startswith(explain("Sample"))
    assert samples.proto.help.endswith("more make the intervals narrower.")
    assert terms_in("SLIC takes samples") == ("Sample", "SLIC")
    assert terms_in("Nothing here") == ()


def test_no_text_is_written_twice() -> None:
    # shorter runs of words are how one speaks
    length = 10
    pieces = {
        " ".join(words[start : start + length]): term
        for term, text in TERMS.items()
        for words in [text.split()]
        for start in range(len(words) - length + 1)
    }
    for file in (ROOT / "dashboard").rglob("*.py"):
        if file.name == "glossary.py":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = " ".join(node.value.split())
                copied = [term for piece, term in pieces.items() if piece in text]
                assert not copied, f"{file.name} says again what the glossary says of {copied[0]}: {text}"


def test_a_help_is_the_glossary_s_text() -> None:
    assert explain("AUROC") == f"**AUROC**: {TERMS['AUROC']}"
    assert explain("Margin", also="More.").endswith("\n\nMore.")
    with pytest.raises(KeyError):
        explain("no such term")
