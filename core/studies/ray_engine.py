"""The second engine: shards on all cores and GPUs of one machine or of a cluster, by Ray Data (optional).

Each worker opens run, detector and images once and then computes shard after shard. Ray restarts a killed worker and
hands its shard to another; the caller keeps every finished shard, so that a killed job resumes where it stopped.
"""

import argparse
import io
import logging
import os
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import pandas as pd

from core.images.image_set import DatasetError
from core.runs.folders import ROOT
from core.storage import ContractError, cache_dir
from core.studies.runner import Engine, Progress, Work
from core.studies.source import Source
from core.studies.study import Context, StudyError

INSTALL = "Ray is not installed; give `pip install 'ray[data]'`, or leave --engine ray out to compute in this process"


def ray_engine(address: str | None = None) -> Engine:
    """An engine for `run_study`.

    Args:
        address: of a cluster ("auto", "host:port", "ray://host:port"), whose machines must see this checkout, the run,
            the detector and the images under the same paths; None for the cores and GPUs of this machine.

    Raises:
        StudyError: Ray is not installed.
    """
    find_ray()
    return partial(run_on_ray, address=address)


def run_on_ray(
    source: Source, work: Work, missing: list[int], progress: Progress, *, address: str | None = None
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the shards `missing` and their tables in the order in which workers finish them, see `runner.Engine`.

    Raises:
        StudyError: no cluster at the address, or a worker failed for another reason than being killed.
    """
    progress(work.done_besides(missing), len(work.positions), "starting Ray")
    yield from tables_on_ray(ShardWorker, (source, work), missing, gpu=source.device != "cpu", address=address)


class Worker(ABC):
    """Makes tables, each known by a number, in a process of its own."""

    name: str

    @abstractmethod
    def table(self, number: int) -> pd.DataFrame:
        """Make a table."""

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The table `row["number"]` as parquet, or the sentence that says why there is none."""
        number = int(row["number"])
        try:
            table = self.table(number)
        except (StudyError, ContractError, DatasetError) as error:
            return _answer(number, problem=str(error))
        except Exception as error:  # noqa: BLE001 - Ray would wrap it in pages of its own
            problem = f"{self.name} failed in a worker ({type(error).__name__}: {error}); what was finished is kept"
            return _answer(number, problem=problem, trace=traceback.format_exc())
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return _answer(number, table=buffer.getvalue())


class ShardWorker(Worker):
    """Computes shards.

    Args:
        source: opened at the first shard.
        work: whose shards.
    """

    def __init__(self, source: Source, work: Work) -> None:
        self.source = source
        self.work = work
        self.name = work.study.name
        self.context: Context | None = None

    def table(self, number: int) -> pd.DataFrame:
        """Compute a shard."""
        self.context = self.context or self.source.open(missing=self.work.missing)
        return self.work.compute(self.context, number)


def tables_on_ray(
    worker: type[Worker], arguments: tuple[Any, ...], numbers: Sequence[int], *, gpu: bool, address: str | None = None
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield tables by their numbers in the order in which workers finish them.

    Args:
        worker: makes them; one for each GPU, else for each core.
        arguments: of the worker.
        numbers: of the tables.
        gpu: whether workers use a GPU where there are any.
        address: see `ray_engine`.

    Raises:
        StudyError: no cluster at the address, or a worker failed for another reason than being killed.
    """
    ray = find_ray()
    mine = not ray.is_initialized()
    try:
        if mine:
            _connect(ray, address)
        for row in _rows(ray, worker, arguments, numbers, gpu=gpu):
            if row["problem"]:
                raise StudyError(row["problem"]) from (RuntimeError(row["trace"]) if row["trace"] else None)
            yield int(row["number"]), pd.read_parquet(io.BytesIO(row["table"]))
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise StudyError(f"Ray gave up ({str(error).strip().splitlines()[-1]}); what was finished is kept") from error
    finally:
        if mine:
            ray.shutdown()


def _answer(number: int, *, table: bytes = b"", problem: str = "", trace: str = "") -> dict[str, Any]:
    return {"number": number, "table": table, "problem": problem, "trace": trace}


def _rows(
    ray: ModuleType, worker: type[Worker], arguments: tuple[Any, ...], numbers: Sequence[int], *, gpu: bool
) -> Iterator[dict[str, Any]]:
    """Yield the workers' answers, with a GPU for each worker where there are any, else a core."""
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if gpu else 0
    workers = max(1, min(len(numbers), gpus or int(resources.get("CPU", 1))))
    items = ray.data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
    found = items.map(
        worker,
        fn_constructor_args=arguments,
        # one shard waits at each worker, so that none is idle while the next is sent
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "TELLTALE_CACHE": str(cache_dir())}},
    )
    yield from found.iter_rows()


def _connect(ray: ModuleType, address: str | None) -> None:
    here = {"address": "local", "include_dashboard": False}
    ray.init(**(here if address is None else {"address": address}), log_to_driver=False, logging_level=logging.ERROR)


def find_ray() -> ModuleType:
    """Ray with its Data library, told to say and to send nothing.

    Raises:
        StudyError: it is not installed.
    """
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}.items():
        os.environ.setdefault(name, value)
    try:
        ray = import_module("ray")
        data = import_module("ray.data")
    except ImportError:
        raise StudyError(INSTALL) from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # the runner's bar is the one that is shown
    data.DataContext.get_current().enable_progress_bars = False
    return ray


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine and --address."""
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: all cores and GPUs at once")
    parser.add_argument("--address", help="of a Ray cluster, for --engine ray; default: this machine alone")


def check_engine(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit with a usage error if --address is given without --engine ray."""
    if options.address is not None and options.engine != "ray":
        parser.error("--address names a Ray cluster; give --engine ray with it")
