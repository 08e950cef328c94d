"""Image sets at the terminal: progress bars while they are fetched and read, and a line on the files left out."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from core.console import progress_to
from core.images.image_set import DatasetError, ImageSet, Progress, Split
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.storage import WriteError


def fetch_with_bar() -> Path:
    """Download CIFAKE's .zip, with progress bars for downloading and checking; see `fetch_cifake`.

    Raises:
        DatasetError: the download failed or could not be written.
        KeyboardInterrupt: stopped; the message says what is kept.
    """
    from core.images.cifake.fetching import fetch_cifake  # noqa: PLC0415 - only this source needs the network

    with (
        tqdm(total=0, unit="B", unit_scale=True, desc="downloading", leave=False, disable=None) as download,
        tqdm(total=0, unit=" image", desc="checking", leave=False, disable=None) as check,
    ):
        try:
            return fetch_cifake(
                downloading=progress_to(download),
                checking=progress_to(check),
                say=download.write,
            )
        except WriteError as error:
            raise DatasetError(f"{error}, then run the same command again.") from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the download is kept, the same command continues it") from None


@contextmanager
def reading_bar(split: Split) -> Iterator[Progress]:
    """A progress bar for reading a split, moved by what it yields: called with (files done, files)."""
    with tqdm(total=0, unit=" image", desc=f"reading {split}", leave=False, disable=None) as bar:
        yield progress_to(bar)


def load_with_bar(
    data: str | Path, split: Split, *, fit: Preprocessing | None = None, skip_bad: bool = False
) -> ImageSet:
    """Load one split with a progress bar and say on standard error how many files were left out.

    Args:
        data, split, fit, skip_bad: as for `load_image_set`; "github" is downloaded first.

    Raises:
        DatasetError: as `load_image_set` does, or the download failed.
        KeyboardInterrupt: stopped; the message of a stopped download says what is kept.
    """
    if str(data) == "github":
        data = fetch_with_bar()
    with reading_bar(split) as progress:
        images = load_image_set(data, split, fit=fit, skip_bad=skip_bad, progress=progress)
    if images.skipped:
        count = len(images.skipped)
        what = "1 file" if count == 1 else f"{count:,} files"
        print(f"{what} of {split} left out: {images.skipped[0]}{', and others' * (count > 1)}", file=sys.stderr)
    return images
