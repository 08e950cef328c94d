"""Downloads: one way for images and detectors, with a limit, and resumed where one has broken off."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from core.images.image_set import DatasetError, Progress

CHUNK = 2**14
# seconds to connect, and between two pieces of a response
TIMEOUT = (10.0, 30.0)


def sender_of(url: str) -> str:
    """Return the host of an address, without a user and a password."""
    try:
        return urlsplit(url).hostname or "The server"
    except ValueError:
        return "The server"


def download(
    url: str, target: Path, *, most: int, expected: int, otherwise: str, progress: Progress | None = None
) -> None:
    """Download a file; where a part of it is there already, only the rest, if the server can.

    Args:
        url: its address.
        target: the file, complete when this returns; what has arrived stays where it breaks off.
        most: bytes; more are refused.
        expected: bytes, for the progress of servers that state no size.
        otherwise: what else the user can do, for messages.
        progress: called with (bytes done, bytes); it may raise to end the download.

    Raises:
        DatasetError: the server cannot be reached, refuses, breaks off or sends too much.
        OSError: the file cannot be written.
    """
    import requests  # noqa: PLC0415 - only a download needs the network
    import urllib3  # noqa: PLC0415

    sender = sender_of(url)
    headers = {"User-Agent": "telltale"}
    there = 0
    if target.exists():
        there = target.stat().st_size
        headers["Range"] = f"bytes={there}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                if response.headers.get("Content-Range") == f"bytes */{there}":
                    # all of it was there
                    return
                target.unlink()
                raise DatasetError(f"{sender} cannot continue the download; try again from its beginning.")
            if not response.ok:
                raise DatasetError(f"{sender} answered {response.status_code}; {otherwise}.")
            stated = response.headers.get("Content-Length", str(expected))
            if not re.fullmatch("[0-9]{1,18}", stated):
                raise DatasetError(f"{sender} states a size that is no number; {otherwise}.")
            if response.status_code != requests.codes.partial_content:
                target.unlink(missing_ok=True)
            with target.open("ab") as file:
                total = int(stated) + file.tell()
                # not decoded: requests would decompress an archive that is served with a Content-Encoding
                for piece in response.raw.stream(CHUNK, decode_content=False):
                    file.write(piece)
                    if progress:
                        progress(file.tell(), max(file.tell(), total))
                    if file.tell() > most:
                        raise DatasetError(f"{sender} sends far more than was expected; {otherwise}.")
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        # the message would name the whole address, perhaps with a password
        reason = f"cannot be reached or broke off ({type(error).__name__})"
        raise DatasetError(f"{sender} {reason}; {otherwise}.") from None
