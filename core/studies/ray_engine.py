"""The second engine: shards on all cores and GPUs of one machine or of a cluster, by Ray Data (optional).

Each worker opens the work once, a study's run, detector and images for instance, and then computes shard after shard.
Ray restarts a killed worker and hands its shard to another; the caller keeps every finished shard, so that a killed job
resumes where it stopped.
"""

import io
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import pandas as pd

from core.arrays import Positions, Record
from core.homes import ROOT
from core.images.image_set import DatasetError
from core.storage.atomic import cache_dir
from core.storage.limits import ContractError
from core.storage.shards import Engine, Report, Shards, Work, run_locally, silent
from core.studies.study import StudyError

INSTALL = "Ray is not installed; give `pip install 'ray[data]'`, or leave --engine ray out to compute in this process"


class ShardWorker:
    """Computes shards of a work, in a process of its own; the work is opened at the first of them."""

    def __init__(self, work: Work, shards: Shards) -> None:
        self.work = work
        self.shards = shards
        self.compute: Callable[[Positions], pd.DataFrame] | None = None

    def __call__(self, row: Record) -> dict[str, Any]:
        """Return the table of shard `row["number"]` as parquet, or the sentence that says why there is none."""
        answer: dict[str, Any] = {"number": int(row["number"]), "table": b"", "problem": "", "trace": ""}
        try:
            self.compute = self.compute or self.work.open(silent)
            table = self.compute(self.shards[answer["number"]])
            return answer | {"table": table.to_parquet(index=False)}
        except (StudyError, ContractError, DatasetError) as error:
            return answer | {"problem": str(error)}
        except Exception as error:  # noqa: BLE001 - Ray would wrap it in pages of its own
            failed = f"{self.work.name} failed in a worker ({type(error).__name__}: {error})"
            return answer | {"problem": f"{failed}; what was finished is kept", "trace": traceback.format_exc()}


def run_on_ray(work: Work, shards: Shards, report: Report) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield shards and their tables in the order in which workers finish them, an `Engine`.

    It runs on the cores and GPUs of this machine or, where Ray's own variable RAY_ADDRESS names a cluster ("auto",
    "host:port", "ray://host:port"), on that, whose machines must see this checkout, the run, the detector and the
    images under the same paths.

    Raises:
        StudyError: Ray is not installed, there is no cluster at the address, or a worker failed for another reason
            than being killed.
    """
    report(0.0, "starting Ray")
    ray = find_ray()
    mine = not ray.is_initialized()
    try:
        if mine:
            options = {"log_to_driver": False, "logging_level": logging.ERROR}
            address = os.environ.get("RAY_ADDRESS", "local")
            if address == "local":
                options["include_dashboard"] = False
            ray.init(address=address, **options)
        # a GPU for each worker where there are any, else a core
        resources = ray.cluster_resources()
        gpus = 0
        if work.device != "cpu":
            gpus = int(resources.get("GPU", 0))
        workers = max(1, min(len(shards), gpus or int(resources.get("CPU", 1))))
        items = ray.data.from_items([{"number": number} for number in shards], override_num_blocks=len(shards))
        answers = items.map(
            ShardWorker,
            fn_constructor_args=(work, shards),
            # one shard waits at each worker, so that none is idle while the next is sent
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
            num_cpus=1,
            num_gpus=min(1, gpus),
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "TELLTALE_CACHE": str(cache_dir())}},
        )
        for row in answers.iter_rows():
            if row["problem"]:
                raise StudyError(row["problem"]) from RuntimeError(row["trace"])
            yield int(row["number"]), pd.read_parquet(io.BytesIO(row["table"]))
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise StudyError(f"Ray gave up ({str(error).strip().splitlines()[-1]}); what was finished is kept") from error
    finally:
        if mine:
            ray.shutdown()


def find_ray() -> Any:
    """Import Ray with its Data library, without its messages and telemetry.

    Raises:
        StudyError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        ray = import_module("ray")
        data = import_module("ray.data")
    except ImportError:
        raise StudyError(INSTALL) from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # the runner's bar is the one that is shown
    data.DataContext.get_current().enable_progress_bars = False
    return ray


# what --engine names
ENGINES: Mapping[str, Engine] = {"local": run_locally, "ray": run_on_ray}
