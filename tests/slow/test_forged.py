"""Values of widgets that no browser sends reveal nothing and break nothing for others."""

from pathlib import Path

import pytest

from tests.server import running_server
from tests.slow.forged import attack
from tests.visitor import in_a_thread

pytestmark = pytest.mark.slow

COUNT = 30


def test_no_forged_value_ends_a_page(pristine: Path, tmp_path: Path) -> None:
    with running_server(pristine, tmp_path / "cache", log=tmp_path / "log") as (address, _):
        assert in_a_thread(attack(address, COUNT, seed=1)) == []
