"""CIFAKE: its test set as it ships, and the download of both splits from its authors' repository.

The shipped set is a sealed folder: the original files in one solid archive, with a table of their statistics. What is
downloaded is kept as a .zip, once the fingerprints of both splits have proven every byte. Nothing is unpacked to disk,
so no name in an archive ever becomes a path. Detectors are downloaded by the same function.
"""

import io
import lzma
import os
import re
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from core.arrays import Pixels
from core.images.decoding import MAX_FILE_BYTES, ImageError, decode
from core.images.files import open_files
from core.images.image_set import DatasetError, Progress, Split, fingerprint_of
from core.images.labels import CLASSES
from core.images.layout import Entry
from core.images.statistics import STATISTICS
from core.storage.atomic import cache_dir, only_writer, read_manifest, read_sealed, write_bytes_atomically, writing
from core.storage.limits import ContractError, digest_of

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
FINGERPRINTS = {
    "test": "83868be77544ff1efca2eb4e7f3cac8b7c8db9ed1b1a215291b573b991d4dda3",
    "train": "1ff0fd722d07e774ad476bd811e1388a1873413fcaea407c185b3b9373250ad5",
}
# used for progress, because GitHub compresses on the fly and sends no Content-Length
EXPECTED_BYTES = 43_000_000
MAX_BYTES = 400_000_000
# bytes of a piece of a response
CHUNK = 2**14
# seconds to connect, and between two pieces of a response
TIMEOUT = (10.0, 30.0)
# bytes of a tar archive's header, and what its files are padded to
BLOCK = tarfile.BLOCKSIZE
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
        self._contents: dict[str, bytes] = {}
        if not is_shipped(folder):
            raise DatasetError(f"{folder}, which held CIFAKE's test images, is missing; name another image set.")
        try:
            self._manifest = read_manifest(folder, KIND)
        except ContractError as error:
            raise DatasetError(f"{error}.") from None
        with self._sealed(TABLE) as file:
            table = pd.read_parquet(file).set_index("name")
            self.statistics: pd.DataFrame = table[list(STATISTICS)].astype(np.float32)

    def entries(self, split: Split) -> list[Entry]:
        """Return the files of the test split."""
        if split != "test":
            raise DatasetError(
                f"{self.folder} holds only CIFAKE's test images; name a folder or .zip with {split}/ in it."
            )
        stamp = int.from_bytes(str(self._manifest["files"].get(ARCHIVE)).encode()[:15])
        return sorted(Entry(name, int(size), stamp) for name, size in self.statistics["file_bytes"].items())

    def read(self, entry: Entry, _limit: int) -> bytes:
        """Read a file; none of them is large."""
        if not self._contents:
            with self._sealed(ARCHIVE) as packed:
                contents = _unpacked(lzma.LZMADecompressor().decompress(packed.read(), MAX_BYTES))
                if contents.keys() != set(self.statistics.index):
                    raise DatasetError(f"{self.folder / ARCHIVE} holds other files than {TABLE} names; restore both.")
            self._contents = contents
        return self._contents[entry.name]

    def close(self) -> None:
        """Forget the unpacked files."""
        self._contents = {}

    @contextmanager
    def _sealed(self, name: str) -> Iterator[BinaryIO]:
        """Open a file whose content the manifest vouches for; what damages it, or reading it, is a DatasetError."""
        try:
            yield io.BytesIO(read_sealed(self.folder, name, self._manifest, kind=KIND))
        except ContractError as error:
            raise DatasetError(f"{error}.") from None
        except DatasetError:
            raise
        except Exception as error:  # noqa: BLE001 - tarfile, its unpackers and pyarrow raise errors of many kinds
            raise DatasetError(f"{self.folder / name} cannot be unpacked ({error}); restore it.") from None


def _unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the regular files of a tar archive that are images of a shipped set, by name.

    `tarfile` takes a second for the headers of 20,000 small files, for which the first visitor would wait.
    """
    contents = {}
    at = 0
    while at + BLOCK <= len(archive) and archive[at]:
        name = archive[at : at + 100].rstrip(b"\0").decode()
        size = int(archive[at + 124 : at + 136].strip(b" \0"), 8)
        match = SHIPPED_MEMBER.fullmatch(name)
        if match and archive[at + 156 : at + 157] == tarfile.REGTYPE:
            contents[match[1]] = archive[at + BLOCK : at + BLOCK + size]
        at += BLOCK + -(-size // BLOCK) * BLOCK
    return contents


class ShippedPixels:
    """Pixels of CIFAKE's test images as they ship, each decoded when it is asked for: decoding all takes seconds.

    Args:
        folder: that holds the set.
        names, digests: of each image, its file's name and sha256.
    """

    def __init__(self, folder: Path, names: Sequence[str], digests: Sequence[str]) -> None:
        self._source = ShippedSource(folder)
        self._entries = [Entry(name, 0, 0) for name in names]
        self._digests = list(digests)
        # two pages that ask at once unpack the archive once
        self._lock = threading.Lock()

    def __getitem__(self, at: int) -> Pixels:
        """Return uint8 (side, side, 3) of one image.

        Raises:
            DatasetError: the set is damaged, or holds another file of this name.
        """
        with self._lock:
            content = self._source.read(self._entries[at], MAX_FILE_BYTES)
        if digest_of(content) != self._digests[at]:
            raise DatasetError(f"{self._entries[at].name} is another file than the run was made on.")
        return decode(content)


def fetched_path() -> Path:
    """Return the path of CIFAKE's .zip, whether it has been fetched or not."""
    return cache_dir() / "cifake" / "cifake.zip"


def is_fetched() -> bool:
    """Check whether the whole .zip is there; one cut off by a failing disk is not."""
    return zipfile.is_zipfile(fetched_path())


def fetch_cifake(progress: Progress | None = None) -> Path:
    """Download all images of CIFAKE, unless they have been downloaded before.

    Args:
        progress: called with (bytes done, bytes), the latter a guess where the server states no size, and then with
            (files checked, files). What it raises ends the download.

    Returns:
        A .zip that `core.images.loading.load_image_set` reads.

    Raises:
        DatasetError: the server cannot be reached, refuses, or has sent something that is not CIFAKE.
        OSError: the cache cannot be written, or another process is downloading it.
    """
    path = fetched_path()
    url = os.environ.get(ADDRESS) or URL
    with only_writer(path), writing(path), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        if not is_fetched():
            archive = Path(folder, "archive")
            download(url, archive, most=MAX_BYTES, expected=EXPECTED_BYTES, otherwise=OTHERWISE, progress=progress)
            write_bytes_atomically(path, partial(_repack, archive, sender_of(url), progress))
    return path


def _repack(archive: Path, sender: str, progress: Progress | None, target: Path) -> None:
    """Write the .zip of CIFAKE from a downloaded archive with {train,test}/{REAL,FAKE}/ in any folder, and check it."""
    rows = []
    try:
        with closing(open_files(archive)) as files, zipfile.ZipFile(target, "w") as packed:
            members = list(filter(None, (MEMBER.fullmatch(listed.name) for listed in files.listing)))
            for match in members:
                content = files.read(match[0], limit=MAX_FILE_BYTES)
                rows.append((match[2], digest_of(content), CLASSES.index(match[3])))
                packed.writestr(zipfile.ZipInfo(match[1], WRITTEN_AT), content)
                if progress:
                    progress(len(rows), len(members))
    except (DatasetError, ImageError) as error:
        raise DatasetError(f"{sender} did not send a whole archive ({str(error).rstrip('.')}); {OTHERWISE}.") from None
    table = pd.DataFrame(rows, columns=["split", "sha256", "label"])
    for split, fingerprint in FINGERPRINTS.items():
        if fingerprint_of(split, table[table["split"] == split]) != fingerprint:
            raise DatasetError(f"The {split} images in the archive from {sender} are not CIFAKE's own; {OTHERWISE}.")


def sender_of(url: str) -> str:
    """Return the host of an address, without a user and a password."""
    with suppress(ValueError):
        return urlsplit(url).hostname or "The server"
    return "The server"


def download(
    url: str, target: Path, *, most: int, expected: int, otherwise: str, progress: Progress | None = None
) -> None:
    """Download a file.

    Args:
        url: its address.
        target: the file, complete when this returns.
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
    try:
        with requests.get(url, headers={"User-Agent": "telltale"}, stream=True, timeout=TIMEOUT) as response:
            if not response.ok:
                raise DatasetError(f"{sender} answered {response.status_code}; {otherwise}.")
            with target.open("wb") as file:
                total = response.raw.length_remaining or expected
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
