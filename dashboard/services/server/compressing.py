"""Streamlit's own scripts and styles, compressed once and kept: it sends them as they are, four times as many bytes."""

import asyncio
import gzip
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from starlette.responses import FileResponse, Response

SUFFIXES = (".js", ".css")
# files of Streamlit's in memory, which has fewer
MOST = 400
# 1 to 9; more takes longer and saves little
LEVEL = 6


async def compressed(response: Response, method: str, asked: Mapping[str, str]) -> Response:
    """Return the response to a request for a file, compressed where it is a script and the browser takes that.

    Args:
        response: as it would be without.
        method: of the request.
        asked: the request's headers.
    """
    if (
        not isinstance(response, FileResponse)
        or response.status_code != 200
        or method != "GET"
        or "range" in asked
        or "gzip" not in asked.get("accept-encoding", "")
        or Path(response.path).suffix not in SUFFIXES
    ):
        return response
    packed = await asyncio.to_thread(pack, str(response.path))
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(packed, headers=headers, media_type=response.media_type)


@lru_cache(maxsize=MOST)
def pack(path: str) -> bytes:
    """Compress a file, which carries a hash of its contents in its name and so never changes."""
    return gzip.compress(Path(path).read_bytes(), LEVEL, mtime=0)
