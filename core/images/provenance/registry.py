"""The kinds of evidence, in the order in which they are shown."""

from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from core.images.containers.reading import read_contents
from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.provenance.claim import Claim, File

# name -> the module with a `find` that takes a `File` and returns its claims
EVIDENCE = {
    "credentials": "core.images.provenance.credentials",
    "generator": "core.images.provenance.generator",
    "xmp": "core.images.provenance.xmp",
    "exif": "core.images.provenance.exif",
    "iptc": "core.images.provenance.iptc",
    "software": "core.images.provenance.software",
    "encoder": "core.images.provenance.encoder",
    "reading": "core.images.provenance.reading",
    "enlarged": "core.images.provenance.enlarged",
}


def provenance(data: bytes, *, pixels: NDArray[np.uint8] | None = None) -> list[Claim]:
    """Return a file's claims about its origin, in the order of `EVIDENCE`; nothing is sent anywhere.

    Args:
        data: the file's bytes.
        pixels: uint8 (height, width, 3) where it has been decoded already.

    Raises:
        ImageError: the file has more than `MAX_BYTES` bytes, or `pixels` is None and it cannot be decoded.
    """
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file has more than {MAX_BYTES >> 20} MB, and no more is read; save it smaller.")
    file = File(data, read_contents(data), decode(data) if pixels is None else pixels)
    return [claim for module in EVIDENCE.values() for claim in import_module(module).find(file)]
