"""The glossary: each term explained once, and that text is the help wherever the term stands."""

from dashboard.components.glossary import TERMS, explain, terms_in
from tests.dashboard.conftest import ROOT, Open
from tests.dashboard.test_pages import settled


def test_every_term_stands_somewhere() -> None:
    files = [file for half in ("core", "dashboard") for file in (ROOT / half).rglob("*.py")]
    whole = "\n".join(file.read_text("utf-8") for file in files if file.name != "glossary.py").lower()
    assert [term for term in TERMS if term.lower() not in whole] == []


def test_settings_and_sentences_of_methods_explain_their_terms(open_page: Open) -> None:
    app = settled(open_page("mistakes", run="tiny@seen-test"))
    samples = app.select_slider(key="url.lime.n_samples")
    assert samples.proto.help.startswith(explain("Sample"))
    assert samples.proto.help.endswith("more make the intervals narrower.")
    assert terms_in("SLIC takes samples") == ("Sample", "SLIC")
    assert terms_in("Nothing here") == ()
