"""Values of widgets that no browser sends are as if they had never been sent."""

from pathlib import Path

from tests.benchmarks.visitor import in_a_thread
from tests.hostile.small_kills import attack
from tests.server import running_server

COUNT = 30


def test_no_forged_value_ends_a_page(pristine: Path, tmp_path: Path) -> None:
    with running_server(pristine, tmp_path / "cache", log=tmp_path / "log") as (address, _):
        assert in_a_thread(attack(address, COUNT, seed=1)) == []
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
