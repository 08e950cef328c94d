"""The networks of the study on all cores and GPUs of one machine or of a cluster, a network to each worker."""

from collections.abc import Iterator

import pandas as pd

from core.studies.cues.running import Engine, Plan, Unit, load_both, network_rows
from core.studies.cues.training import Tests
from core.studies.ray_engine import Worker, find_ray, tables_on_ray


class NetworkWorker(Worker):
    """Trains and tests networks.

    Args:
        data: where the images are, opened at the first network.
        plan: whose networks.
    """

    name = "cues"

    def __init__(self, data: str, plan: Plan) -> None:
        self.data = data
        self.plan = plan
        self.tests: Tests | None = None

    def table(self, number: int) -> pd.DataFrame:
        """Make the network at a position of the plan."""
        self.tests = self.tests or self.plan.tests(
            *self.plan.limited(*load_both(self.data, skip_bad=self.plan.skip_bad))
        )
        return network_rows(list(self.plan.units())[number], self.plan, self.tests)


def networks_on_ray(data: str, plan: Plan, address: str | None = None) -> Engine:
    """An engine for `run_on`.

    Args:
        data: as for `load_both`; all machines must see it under the same path.
        plan: what is to be trained.
        address: of a Ray cluster; None for the cores and GPUs of this machine.

    Raises:
        StudyError: Ray is not installed.
    """
    find_ray()

    def make(units: list[Unit]) -> Iterator[tuple[Unit, pd.DataFrame]]:
        order = list(plan.units())
        numbers = [order.index(unit) for unit in units]
        for number, rows in tables_on_ray(NetworkWorker, (data, plan), numbers, gpu=True, address=address):
            yield order[number], rows

    return make
