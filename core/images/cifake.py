"""CIFAKE: its test set as it ships, and the download of both splits from its authors' repository.

The shipped set is a sealed folder: the original files in one solid archive, with a table of their statistics. What is
downloaded is kept as a .zip, once the fingerprints of both splits have proven every byte. Nothing is unpacked to disk,
so no name in an archive ever becomes a path.
"""

import hashlib
import os
import re
import tarfile
import tempfile
import time
import zipfile
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from core.images.decoding import MAX_FILE_BYTES, ImageError
from core.images.image_set import DatasetError, Progress, Split, fingerprint_of
from core.images.labels import CLASSES
from core.images.layouts.files import DAMAGED, open_files
from core.images.layouts.layout import Entry
from core.images.statistics import STATISTICS
from core.storage import (
    ContractError,
    cache_dir,
    open_file,
    read_manifest,
    sha256_of,
    write_bytes_atomically,
)

KIND = "shipped image set"
ARCHIVE = "images.tar.xz"
TABLE = "facts.parquet"
SHIPPED_MEMBER = re.compile(r"test/((?:REAL|FAKE)/(?!\.)[^/]+)")
# CIFAKE's name on Kaggle
KAGGLE = "birdy654/cifake-real-and-ai-generated-synthetic-images"
COMMIT = "e112a942abaecd02b6b1f6f646c807d56be8fb62"
REPOSITORY = "jordan-bird/CIFAKE-Real-and-AI-Generated-Synthetic-Images"
# a .tar.gz has half the size of the .zip, which compresses every image by itself
URL = f"https://codeload.github.com/{REPOSITORY}/tar.gz/{COMMIT}"
# the environment variable that names a mirror of the same archive, .tar.gz or .zip
ADDRESS = "TELLTALE_CIFAKE_URL"
MEMBER = re.compile(r"(?:.*/)?((train|test)/(REAL|FAKE)/[^/]+\.jpg)")
# of all 100,000 training and 20,000 test images, as stated by the shipped detectors and runs
FINGERPRINTS = MappingProxyType(
    {
        "test": "83868be77544ff1efca2eb4e7f3cac8b7c8db9ed1b1a215291b573b991d4dda3",
        "train": "1ff0fd722d07e774ad476bd811e1388a1873413fcaea407c185b3b9373250ad5",
    }
)
# used for progress, because GitHub compresses on the fly and sends no Content-Length
EXPECTED_BYTES = 43_000_000
MAX_BYTES = 400_000_000
CHUNK = 2**14
# seconds to connect, and between two pieces of a response
TIMEOUT = (10.0, 30.0)
# attempts, and seconds between them
TRIES, PAUSE = 3, 2.0
# files between two calls of `checking`
STEP = 500
# a fixed date, so that the same images give the same bytes
WRITTEN_AT = (1980, 1, 1, 0, 0, 0)
OTHERWISE = f"try again, or download the .zip from kaggle.com/datasets/{KAGGLE} and give its path"


def is_shipped(folder: Path) -> bool:
    """Check whether a folder holds a shipped set, intact or not."""
    return (folder / ARCHIVE).exists() or (folder / TABLE).exists()


class ShippedSource:
    """CIFAKE's test set as it ships; the archive is verified and unpacked, in memory, when a file is first read.

    Attributes:
        folder: the folder that holds it.
        statistics: float32 columns of `core.images.statistics.STATISTICS`, indexed by file name ("REAL/0000 (2).jpg").

    Raises:
        DatasetError: the manifest, the table or the archive is missing or damaged; the message names it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._contents: dict[str, bytes] | None = None
        if not is_shipped(folder):
            raise DatasetError(f"{folder}, which held CIFAKE's test images, is missing; name another image set.")
        try:
            self._sha256 = read_manifest(folder, KIND)["files"]
        except ContractError as error:
            raise DatasetError(f"{error}.") from None
        self._verify(TABLE)
        try:
            with open_file(folder / TABLE) as table:
                statistics = pd.read_parquet(table).set_index("name")[list(STATISTICS)].astype(np.float32)
        except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
            reason = f"is no table of statistics ({type(error).__name__}); restore it."
            raise DatasetError(f"{folder / TABLE} {reason}") from None
        self.statistics: pd.DataFrame = statistics

    def entries(self, split: Split) -> list[Entry]:
        """Return the files of the test split."""
        if split != "test":
            raise DatasetError(
                f"{self.folder} holds only CIFAKE's test images; name a folder or .zip with {split}/ in it."
            )
        stamp = int.from_bytes(str(self._sha256.get(ARCHIVE)).encode()[:15])
        return sorted(Entry(name, int(size), stamp) for name, size in self.statistics["file_bytes"].items())

    def read(self, entry: Entry) -> bytes:
        """Read a file."""
        if self._contents is None:
            self._contents = self._unpack()
        return self._contents[entry.name]

    def close(self) -> None:
        """Forget the unpacked files."""
        self._contents = None

    def _unpack(self) -> dict[str, bytes]:
        self._verify(ARCHIVE)
        path = self.folder / ARCHIVE
        contents: dict[str, bytes] = {}
        try:
            # once, front to back: a solid archive is slow to read in any other order
            with open_file(path) as packed, tarfile.open(fileobj=packed, mode="r|xz") as members:
                for member in members:
                    match = SHIPPED_MEMBER.fullmatch(member.name)
                    file = members.extractfile(member) if match and member.isreg() else None
                    if match and file and member.size <= MAX_FILE_BYTES:
                        contents[match[1]] = file.read()
        except DAMAGED as error:
            raise DatasetError(f"{path} cannot be unpacked ({error}); restore it.") from None
        if contents.keys() != set(self.statistics.index):
            raise DatasetError(f"{path} holds other files than {TABLE} names; restore both.")
        return contents

    def _verify(self, name: str) -> None:
        file = self.folder / name
        try:
            actual = sha256_of(file)
        except FileNotFoundError:
            raise DatasetError(f"{file} is missing; restore it, or remove its whole folder to go on without.") from None
        except OSError as error:
            raise DatasetError(f"{file} cannot be read ({error.strerror}); check its permissions.") from None
        if actual != self._sha256.get(name):
            raise DatasetError(f"{file} is not the file that was shipped (its sha256 differs); restore it.")


def fetched_path() -> Path:
    """Return the path of CIFAKE's .zip, whether it has been fetched or not."""
    return cache_dir() / "cifake" / "cifake.zip"


def is_fetched() -> bool:
    """Check whether the whole .zip is there; one cut off by a failing disk is not."""
    return zipfile.is_zipfile(fetched_path())


def fetch_cifake(*, downloading: Progress | None = None, checking: Progress | None = None) -> Path:
    """Download all images of CIFAKE, unless they have been downloaded before.

    Args:
        downloading: called with (bytes done, bytes), the latter a guess where the server states no size.
        checking: called with (files checked, files). What a callback raises ends the download.

    Returns:
        A .zip that `core.images.loading.load_image_set` reads.

    Raises:
        DatasetError: the server cannot be reached, refuses, or has sent something that is not CIFAKE; or the cache
            cannot be written.
    """
    path, url = fetched_path(), os.environ.get(ADDRESS) or URL
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / ".lock", timeout=0), tempfile.TemporaryDirectory(dir=path.parent) as folder:
            if not is_fetched():
                archive = Path(folder) / "archive"
                _download(url, archive, downloading or _ignore)
                write_bytes_atomically(
                    path, lambda target: _repack(archive, target, sender=_host(url), progress=checking or _ignore)
                )
    except Timeout:
        raise DatasetError("Another program is already downloading CIFAKE; wait until it has finished.") from None
    except OSError as error:
        reason = f"could not be written ({error.strerror}); check that its disk has room and is writable"
        raise DatasetError(f"{path.parent} {reason}, then try again.") from None
    return path


def _ignore(_done: int, _total: int) -> None:
    pass


def _download(url: str, target: Path, progress: Progress) -> None:
    """Download a file, in at most `TRIES` attempts."""
    import requests  # noqa: PLC0415 - only a download needs the network
    import urllib3  # noqa: PLC0415

    for attempt in range(1, TRIES + 1):
        try:
            with requests.get(url, headers={"User-Agent": "telltale"}, stream=True, timeout=TIMEOUT) as response:
                response.raise_for_status()
                total = int(response.headers.get("Content-Length") or 0)
                with target.open("wb") as file:
                    # not decoded: requests would decompress an archive that is served with a Content-Encoding
                    for piece in response.raw.stream(CHUNK, decode_content=False):
                        file.write(piece)
                        progress(file.tell(), total or max(file.tell(), EXPECTED_BYTES))
                        if file.tell() > MAX_BYTES:
                            raise DatasetError(f"{_host(url)} sends far more than CIFAKE; {OTHERWISE}.")
                return
        except requests.HTTPError as error:
            # a busy server may answer the next attempt
            status = error.response.status_code if error.response is not None else 500
            lasting, reason = status < 500 and status != 429, f"answered {status}"
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError):
            lasting, reason = False, "cannot be reached or broke off"
        except (requests.RequestException, ValueError) as error:
            if isinstance(error, DatasetError):
                raise
            # not a URL, another protocol, or endless redirects
            raise DatasetError(f"{_host(url)} cannot be requested ({type(error).__name__}); check {ADDRESS}.") from None
        if lasting or attempt == TRIES:
            raise DatasetError(f"{_host(url)} {reason}; {OTHERWISE}.")
        time.sleep(PAUSE)


def _repack(archive: Path, target: Path, *, sender: str, progress: Progress) -> None:
    """Write the .zip of CIFAKE from a downloaded archive with {train,test}/{REAL,FAKE}/ in any folder, and check it."""
    rows: dict[str, list[tuple[str, int]]] = {split: [] for split in FINGERPRINTS}
    try:
        with closing(open_files(archive)) as files, zipfile.ZipFile(target, "w") as packed:
            members = [(listed, match) for listed in files.listing if (match := MEMBER.fullmatch(listed.name))]
            for done, (listed, match) in enumerate(members, 1):
                content = files.read(listed.name, limit=MAX_FILE_BYTES)
                rows[match[2]].append((hashlib.sha256(content).hexdigest(), CLASSES.index(match[3])))  # type: ignore[arg-type]
                packed.writestr(zipfile.ZipInfo(match[1], WRITTEN_AT), content)
                if done % STEP == 0 or done == len(members):
                    progress(done, len(members))
    except DatasetError:
        raise DatasetError(f"{sender} did not send a whole archive; {OTHERWISE}.") from None
    except ImageError as error:
        raise DatasetError(f"The archive from {sender} is damaged ({error}); {OTHERWISE}.") from None
    for split, fingerprint in FINGERPRINTS.items():
        if fingerprint_of(split, pd.DataFrame(rows[split], columns=["sha256", "label"])) != fingerprint:
            raise DatasetError(f"The {split} images in the archive from {sender} are not CIFAKE's own; {OTHERWISE}.")


def _host(url: str) -> str:
    """Return the host for error messages: a URL may hold a password."""
    try:
        return urlsplit(url).hostname or "The server"
    except ValueError:
        return "The server"
