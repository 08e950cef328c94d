"""Values of widgets that no browser sends are as if they had never been sent."""

from pathlib import Path

from tests.benchmarks.visitor import in_a_thread, running_server
from tests.browser.app import free_port
from tests.hostile.forged import attack

COUNT = 30


def test_no_forged_value_ends_a_page(pristine: Path, tmp_path: Path) -> None:
    environment = {"TELLTALE_HOME": str(pristine), "TELLTALE_CACHE": str(tmp_path / "cache")}
    with running_server(free_port(), tmp_path / "log", **environment) as (address, _):
        assert in_a_thread(attack(address, COUNT, seed=1)) == []
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
