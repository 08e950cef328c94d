"""Addresses that nobody would write by hand, and a visitor who opens them."""

import logging
import random
import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from streamlit.testing.v1 import AppTest

from core.explainers.registry import explainers
from core.explainers.settings import describe
from core.runs.filter import ALIASES, RESERVED, SORTS
from core.runs.run import read_run
from core.studies.columns import browse_table
from tests.dashboard.conftest import at_page
from tests.dashboard.test_pages import PAGES, ROOT, words

# every parameter that some page reads, found where it is declared
DECLARED = {
    name
    for file in (ROOT / "dashboard").rglob("*.py")
    for name in re.findall(r'\bSetting\(\s*"(\w+)"', file.read_text(encoding="utf-8"))
}
# and those of every method
OF_METHODS = {f"{method.name}.{one.name}" for method in explainers() for one in describe(method.settings)}
SETTINGS = sorted({*DECLARED, *OF_METHODS})
OTHERS = ("run", "id", "pick", "also", "none", "__proto__", "embed", "embed_options", "a b", "ü", "")
NONSENSE = (
    "", " ", "-", "--", "..", "../../etc/passwd", "/etc/passwd", "%2e%2e%2f", "C:\\x", "~", "\0", "a\0b", "\n",
    "\r\nX: y",
    "nan", "inf", "-inf", "NaN", "1e400", "-1e400", "1e-400", "0", "-0", "-1", "1", "2", "00", "1_000", "0x10", "٣",
    "½", "9" * 400, "0." + "0" * 400 + "1", "1,2", "1..2", "2..1", "nan..nan", "inf..", "..-inf", "1..2..3", "a..b",
    ",", ",,,", "yes", "no", "on", "off", "true", "True", "None", "null", "undefined", "{}", "[]", "[1]", '{"a": 1}',
    "'", '"', "' OR 1=1 --", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{7*7}}", "${7*7}", "%s%n",
    "`ls`", "$(ls)", "ﷺ", "\N{MAN}\N{ZERO WIDTH JOINER}\N{GIRL}", "\N{RIGHT-TO-LEFT OVERRIDE}abc", "\ufeff", "\ufffd",
    "a" * 5000, "x," * 3000, "../" * 1000, "%" * 50, "%zz", "+", "&", "#", "?",
    "logit:1,2;3,4;5,6", "features:nan,1;2,3;4,5", "a:0,0;1,0;1,1", ":;;", "features:" + ";".join(["1,2"] * 61),
)  # fmt: skip
MARKS = "..,;:-_%&=/\\ '\"<>\0\n0123456789eENaninf"


class Listener(logging.Handler):
    """Collects tracebacks from the log, which visitors do not see and which must never occur."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self.heard.append("".join(traceback.format_exception(*record.exc_info)))

    def traceback(self) -> str:
        """The last line of what was heard since the last time, "" for nothing."""
        last = self.heard[-1].strip().splitlines()[-1] if self.heard else ""
        self.heard.clear()
        return last and f"a traceback in the log ({last})"


class Visitor:
    """Opens addresses in this process.

    Args:
        home: whose runs there are; its path must be on no page.
        seed: of the addresses.
    """

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.seed = home, seed
        self.runs = sorted(path.name for path in (home / "runs").iterdir())
        table = browse_table(read_run(home / "runs" / self.runs[0]))
        self.values: dict[str, list[str]] = {
            ALIASES.get(name, name): [str(value) for value in table[name].iloc[:3]] for name in table.columns
        }
        numbers = table.select_dtypes(np.number).columns
        self.values |= {ALIASES.get(name, name): ["0.1..0.9", "..1", f"{table[name].min()}.."] for name in numbers}
        self.values |= {"run": self.runs, "id": list(table["id"].iloc[:5]), "sort": [*SORTS, "-margin", "brightness"]}
        self.values |= {"pick": [",".join(table["id"].iloc[:3])], "tag": ["odd"], "name": ["0001"], "per": ["48", "96"]}
        self.values |= {"page": ["1", "2", "99"], "cut": ["0.5", "0.9"], "also": ["brightness.margin,brightness.half"]}
        self.values |= {
            "gradcam.layer": ["layer2", "layer4"],
            "lime.n_samples": ["64"],
            "lime.n_segments": ["8"],
            "methods": ["lime_grid,xgradcam", "lime,integrated_gradients,layercam"],
            # as addresses of before named them
            "stage": ["layer2"],
            "samples": ["64"],
            "beside": ["other", "tiny"],
        }
        self.values |= {"by": ["other", "predicted", "category"], "paper": ["yes"], "opacity": ["0.3"]}
        self.names = sorted({*SETTINGS, *RESERVED, *self.values, *OTHERS})

    def address(self, number: int) -> tuple[str, dict[str, str]]:
        """The page and the parameters of that number."""
        chance = random.Random(f"{self.seed} {number}")
        parameters = {"run": chance.choice(self.runs)} if chance.random() < 0.7 else {}
        for name in chance.sample(self.names, chance.choice((1, 2, 5, 12))):
            parameters[name] = self._value(name, chance)
        return chance.choice(PAGES), parameters

    def _value(self, name: str, chance: random.Random) -> str:
        known = self.values.get(name, ["yes", "1", "all"])
        kind = chance.random()
        if kind < 0.25:
            return chance.choice(known)
        if kind < 0.65:
            return chance.choice(NONSENSE)
        if kind < 0.75:
            # what is sound for another
            return chance.choice(self.values[chance.choice(sorted(self.values))])
        value = list(chance.choice(known))
        for _ in range(chance.choice((1, 2, 6))):
            place = chance.randrange(len(value) + 1)
            value[place : place + chance.choice((0, 1))] = chance.choice(MARKS)
        return "".join(value)

    def visit(self, page: str, parameters: Mapping[str, str]) -> str:
        """Open a page; what is wrong with what it shows, "" for nothing."""
        try:
            return self._wrong(at_page(page, parameters, timeout=120).run())
        except Exception as error:  # noqa: BLE001 - a page that ends like this shows nothing
            return f"{type(error).__name__}: {error}"

    def _wrong(self, app: AppTest) -> str:
        if app.exception:
            return f"an exception on the page ({app.exception[0].message})"
        if len(app.title) != 1:
            return f"{len(app.title)} titles"
        shown = words(app)
        if "Traceback" in shown or str(self.home) in shown or str(ROOT) in shown:
            return "a traceback or a folder of the server on the page"
        if bad := [error.value for error in app.error if not re.fullmatch(r"[^\n]+\.", error.value)]:
            return f"an error that is no sentence ({bad[0]!r})"
        return ""


def written(parameters: Mapping[str, str]) -> str:
    """The parameters as they stand in an address."""
    return urlencode(parameters)
