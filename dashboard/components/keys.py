"""Keys of elements and slots that are made from names: whoever makes a folder may call it anything."""

import hashlib


def key_of(place: str, *names: object) -> str:
    """A key for what stands at a place once for each of some names: the place, and a hash of the names.

    Streamlit refuses some letters in the key of an element, and reserves others for itself.

    Args:
        place: of our own making.
        names: of detectors, columns, studies and whatever else comes from a disk or an address.
    """
    return f"{place}.{hashlib.sha256(repr(tuple(map(str, names))).encode()).hexdigest()[:16]}"
