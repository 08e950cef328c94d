"""How the sidebar names runs."""

import pytest

from dashboard.sidebar import run_label


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("swift@cifake-test", "swift on cifake-test"),
        ("swift@sample-test", "swift on the sample gallery"),
        ("backup", "backup"),
    ],
)
def test_a_run_is_called_by_its_detector_and_its_images(name: str, label: str) -> None:
    assert run_label(name) == label
