"""The second engine: the same rows and values as in this process, whatever happens to a worker."""

import os
import signal
import sys
from dataclasses import replace

import pandas as pd
import pytest
import ray

from core.commands.study import main
from core.storage.atomic import cache_dir
from core.studies.ray_engine import run_on_ray
from core.studies.runner import run_study
from core.studies.store import read_study
from core.studies.study import find_study
from tests.core.studies.conftest import BRIGHTNESS, brightness

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _spared():
    """Ray kills no worker because others have filled this machine's memory, and its workers get their share of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        # they would give way to every other test
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture(scope="module")
def cluster():
    """Ray for the whole module, as starting it takes seconds; it counts two GPUs, as it counts what it is told."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def table_of(path):
    """The rows of a study's file."""
    return read_study(path).table


def test_the_command_gives_the_rows_and_values_of_this_process(source, capsys):
    # the command ends only what it has started
    ray.shutdown()
    local = table_of(run_study(find_study("agreement"), source, images=16))
    assert main(["agreement", "--run", str(source.run), "--images", "16", "--engine", "ray"]) == 0
    assert "Written: " in capsys.readouterr().out
    assert not ray.is_initialized()
    far = table_of(source.run / "studies" / "agreement.parquet")
    assert len(far) == 16
    assert (far["weight"] > 1).any()
    pd.testing.assert_frame_equal(far, local, rtol=1e-3, atol=1e-3)
    assert not list((cache_dir() / "studies").iterdir())


def test_a_worker_killed_in_the_middle_loses_nothing(source, cluster, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()

    def dies_once(context, rows, parameters):
        if rows[0] == 20 and not (marks / "killed").exists():
            (marks / "killed").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        (marks / f"{rows[0]}-{os.getpid()}").touch()
        gpus = ray.get_runtime_context().get_accelerator_ids()["GPU"]
        return brightness(context, rows, parameters).assign(half=",".join(gpus))

    study = replace(BRIGHTNESS, compute=dies_once, shard=5)
    found = table_of(run_study(study, source, engine=run_on_ray))
    done = {mark.name.partition("-")[0]: mark.name.partition("-")[2] for mark in marks.glob("*-*")}
    assert set(done) == {str(at) for at in range(0, 60, 5)}
    assert str(os.getpid()) not in done.values()
    assert done["20"] != (marks / "killed").read_text()
    # workers had a GPU each
    assert set(found["half"]) <= {"0", "1"}
    local = table_of(run_study(BRIGHTNESS, source))
    pd.testing.assert_frame_equal(found.drop(columns="half"), local.drop(columns="half"), rtol=1e-4, atol=1e-5)


def test_without_ray_the_command_says_how_to_get_it(source, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["files", "--run", str(source.run), "--engine", "ray"]) == 2
    assert "pip install 'ray[data]'" in capsys.readouterr().err
