"""One thread decodes uploads, in the order in which visitors ask: while it lasts, each may take 150 MB."""

from concurrent.futures import ThreadPoolExecutor

from core.upload import Prepared, prepare

_THREAD = ThreadPoolExecutor(1, thread_name_prefix="decode")


def prepare_in_turn(data: bytes, *, x: float = 0.5, y: float = 0.5, zoom: float = 1.0) -> Prepared:
    """`core.upload.prepare` once it is this file's turn; raises what that raises."""
    return _THREAD.submit(prepare, data, x=x, y=y, zoom=zoom).result()
