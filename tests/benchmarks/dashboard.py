"""How long a visitor waits: first paint, filters, pages, opening an image, each beside what it may take.

python -m tests.benchmarks.dashboard [--run swift@cifake-test] [--rows 1000000] [--parts paint rows click]

First paint and clicks are measured in Chromium against a server of its own, filters and page turns on the server alone,
as the time of a whole run of the page.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from playwright.sync_api import Browser, Page
from streamlit.testing.v1 import AppTest

from core.runs.folders import find_runs
from core.runs.metrics import metrics, without_leaks_and_repeats
from core.runs.run import KIND, read_run
from core.storage import write_folder
from tests.benchmarks.table import NOTHING, Row, Settings, shown
from tests.browser.app import PATIENCE, running_browser, settle, visit
from tests.dashboard.conftest import MAIN
from tests.server import running_server

PARTS = ("paint", "rows", "click")
REPEATS = 5


ROWS: list[Row] = []


def report(what: str, seconds: list[float], allowed: float | None = None) -> None:
    """Add a row with the median, the slowest time, and the median over `allowed` seconds."""
    middle = statistics.median(seconds)
    row = Row(
        what,
        f"{middle:.3f} s, slowest of {len(seconds)} {max(seconds):.3f} s",
        ratio=NOTHING if allowed is None else f"{middle / allowed:.2f} (ours over what is allowed)",
        asked=NOTHING if allowed is None else f"{allowed:g} s",
    )
    ROWS.extend(shown([row]))


def seconds_of(action: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def synthetic_run(home: Path, source: Path, rows: int) -> str:
    """Write a run of `rows` rows drawn from a real one's, without pictures; its name."""
    run = read_run(source)
    generator = np.random.default_rng(0)
    chosen = generator.integers(0, len(run), rows)
    table = run.predictions.iloc[chosen].reset_index(drop=True)
    table["id"] = [f"test-{number:016x}" for number in range(rows)]
    table["sha256"] = [f"{number:064x}" for number in range(rows)]
    maps = np.asarray(run.maps)[chosen]
    manifest = {key: value for key, value in run.manifest.items() if key not in ("schema", "kind", "files")}
    manifest |= {"images": rows, "set": f"synthetic-{rows}", "set_fingerprint": "0" * 64}
    manifest |= {"leaked": int(table["in_train"].sum()), "repeats": int(table["is_repeat"].sum())}
    manifest["metrics"] = {"all": metrics(table), "clean": metrics(without_leaks_and_repeats(table))}
    name = f"{manifest['detector']}@synthetic-{rows}"
    files = {
        "predictions.parquet": lambda file: table.to_parquet(file, index=False),
        "maps.npy": lambda file: np.save(file, maps, allow_pickle=False),
    }
    write_folder(home / "runs" / name, kind=KIND, manifest=manifest, files=files)
    return name


def first_paint(browser: Browser, run: str) -> None:
    """Time from the address to the headline numbers or first tiles, on a new server and on a warm one."""
    for page_name in ("", "explore"):
        cold, warm = [], []
        for _ in range(2):
            with running_server() as (address, _):
                for times in (cold, *[warm] * REPEATS):
                    page = browser.new_page(viewport={"width": 1440, "height": 1000})
                    target = f"{address}/{page_name}?run={run}"

                    def paint(page: Page = page, target: str = target, inside: str = page_name) -> None:
                        page.goto(target)
                        page.wait_for_selector(".tile" if inside else "[data-testid=stMetric]", timeout=PATIENCE)

                    times.append(seconds_of(paint))
                    page.close()
        title = page_name or "overview"
        report(f"{title}: first paint, first visitor of a new server", cold, 3)
        report(f"{title}: first paint, next visitors", warm, 3)


def first_start(browser: Browser) -> None:
    """Explore without an address, of a new server with an empty cache: its first paint, and its pictures after that."""
    painted, pictured = [], []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as cache, running_server(cache=Path(cache)) as (address, _):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(PATIENCE)

            def paint(page: Page = page, target: str = f"{address}/explore") -> None:
                page.goto(target)
                page.wait_for_selector(".tile", timeout=PATIENCE)

            painted.append(seconds_of(paint))
            pictured.append(seconds_of(page.get_by_text("All its pictures are available.").wait_for))
            page.close()
    report("explore: first paint of a new server, empty cache", painted, 3)
    report("explore: from there to all pictures of CIFAKE's test set", pictured, 10)


def on_the_server(home: Path, run: str, rows: int) -> None:
    """Time a filter not used before, and the next page of its results, as whole runs of the page."""
    os.environ["TELLTALE_HOME"] = str(home)
    st.cache_resource.clear()
    app = AppTest.from_file(MAIN, default_timeout=600)
    app.query_params["run"] = run
    opening = seconds_of(app.run)
    app.switch_page("views/explore.py").run()
    filtering, turning = [], []
    for number in range(REPEATS):
        low = 0.55 + 0.05 * number
        app.slider(key="explore.confidence").set_value((low, 1.0))
        filtering.append(seconds_of(app.run))
        app.query_params["page"] = "2"
        turning.append(seconds_of(app.run))
    assert not app.exception
    report(f"{rows:,} rows: open the run and draw Overview, once", [opening])
    report(f"{rows:,} rows: a filter", filtering, 0.3)
    report(f"{rows:,} rows: the next page", turning, 0.3)


def click(browser: Browser, address: str, run: str, *, what: str) -> None:
    """From a click in Explore to picture, verdict and map in Inspect; and to LIME's first colours."""
    shown, first, whole = [], [], []
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE)
    for number in range(REPEATS):
        visit(page, f"{address}/explore?run={run}&sort=name")
        start = time.perf_counter()
        page.locator(".grid .tile .open").nth(number).click()
        page.get_by_role("heading", name="Called").wait_for()
        page.get_by_role("img", name="Grad-CAM, over the grey picture").wait_for()
        shown.append(time.perf_counter() - start)
        page.get_by_role("img", name="LIME, over the grey picture").wait_for()
        first.append(time.perf_counter() - start)
        settle(page)
        whole.append(time.perf_counter() - start)
    page.close()
    # the first one waits for the detector to be read
    report(f"{what}: first click to picture, verdict and map", shown[:1], 1)
    report(f"{what}: click to picture, verdict and map", shown[1:], 1)
    report(f"{what}: click to LIME's first colours", first[1:])
    report(f"{what}: click to LIME's last colours", whole[1:])


def keep_explaining(address: str, run: str, stop: threading.Event) -> None:
    """Another visitor, who asks for one long explanation after another."""
    with running_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        seed = 0
        while not stop.is_set():
            seed += 1
            page.goto(f"{address}/inspect?run={run}&lime.n_samples=2048&lime.n_segments=120&lime.seed={seed}")
            # leaving early frees the worker, so the visitor stays
            page.wait_for_timeout(4000)


def clicks(browser: Browser, run: str) -> None:
    """Opening an image, alone and while another visitor has the detector busy."""
    with running_server() as (address, _):
        click(browser, address, run, what="alone")
        stop = threading.Event()
        other = threading.Thread(target=keep_explaining, args=(address, run, stop))
        other.start()
        time.sleep(8)
        click(browser, address, run, what="while another explains")
        stop.set()
        other.join()


def measure(run: str, parts: Sequence[str], rows: int) -> None:
    """Measure some parts."""
    source = find_runs()[run]
    if "rows" in parts:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            for count in sorted({min(20_000, rows), rows}):
                on_the_server(home, synthetic_run(home, source, count), count)
        del os.environ["TELLTALE_HOME"]
    if {"paint", "click"} & set(parts):
        with running_browser() as browser:
            if "paint" in parts:
                first_start(browser)
                first_paint(browser, run)
            if "click" in parts:
                clicks(browser, run)


def rows(settings: Settings) -> list[Row]:
    """How long a visitor waits, each beside what it may take: pages in Chromium, filters on the server."""
    ROWS.clear()
    quick = settings.quick
    measure(settings.run, ("rows",) if quick else PARTS, 1000 if quick else 1_000_000)
    return list(ROWS)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default=Settings.run)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    print(f"{options.run}, {os.cpu_count()} cores, pandas {pd.__version__}, streamlit {st.__version__}")
    measure(options.run, options.parts, options.rows)


if __name__ == "__main__":
    main()
