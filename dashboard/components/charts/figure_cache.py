"""Charts kept for all visitors: building one takes longer than all else on its page, and most see the same ones."""

import functools
import hashlib
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import ParamSpec

import plotly.graph_objects as go

MOST = 24
P = ParamSpec("P")


def kept(build: Callable[P, go.Figure], *, most: int = MOST) -> Callable[P, go.Figure]:
    """A chart's builder that remembers its last figures by everything it is given; nobody changes a figure later.

    What has a `stamp`, such as an opened run, is known by that. The `most` figures that were asked for last stay.
    """
    figures: OrderedDict[bytes, go.Figure] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(build)
    def get(*args: P.args, **options: P.kwargs) -> go.Figure:
        # the bytes are hashed and never read again
        known = [getattr(given, "stamp", given) for given in args]
        key = hashlib.blake2b(pickle.dumps((known, options))).digest()
        with lock:
            if key in figures:
                figures.move_to_end(key)
                return figures[key]
        figure = build(*args, **options)
        with lock:
            figures[key] = figure
            while len(figures) > most:
                figures.popitem(last=False)
        return figure

    return get
