"""What a detector has seen is said as far as it is known."""

from types import SimpleNamespace

import pytest

from dashboard.components import limits


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({}, "What it was trained on is not known here."),
        ({"training_set": "mine-train"}, "It has seen the 224 x 224 images of mine-train, and nothing else."),
        ({"training_set": "cifake-train"}, "ten kinds of things"),
        ({"training_set": "sample-train"}, "five photographs"),
    ],
)
def test_what_a_detector_has_seen(manifest: dict[str, str], said: str) -> None:
    told = limits._seen(SimpleNamespace(manifest=manifest, about=SimpleNamespace(side=224)))  # type: ignore[arg-type]
    assert said in told
    # only of these sets is it known what is not in them
    ours = manifest.get("training_set", "").startswith(("cifake", "sample"))
    assert ("never another generator" in told) == ours
    # one of the sample's five photographs is a portrait
    assert ("a portrait" in told) == (manifest.get("training_set") == "cifake-train")
