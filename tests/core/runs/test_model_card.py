"""Model cards: what their manifests say, as the cards that ship do."""

import re

import pytest

from core.homes import ROOT
from core.runs.summary import model_card
from core.storage.atomic import read_manifest

ASSETS = ROOT / "assets"


@pytest.mark.parametrize("name", ["masked", "patch", "strong"])
def test_a_card_holds_the_numbers_of_its_manifests(name):
    folder = ASSETS / "detectors" / name
    run = read_manifest(ASSETS / "runs" / f"{name}@cifake-test", "run")
    card = model_card(read_manifest(folder, "detector"), run)
    # rows with nothing between them, or it were no table
    assert not re.search(r"\|\n\s*\n\|", card)
    shipped = (folder / "README.md").read_text(encoding="utf-8")
    # the card of a joined one is of an older form
    pattern = r"\d\.\d{4}\b" if name == "strong" else r"`.+?`|[\d.]+|\|.*|fitted on the held-out|mean of scores"
    assert re.findall(pattern, card) == re.findall(pattern, shipped)
