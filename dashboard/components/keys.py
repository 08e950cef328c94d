"""Keys of elements made from names, which may contain anything: users name their folders as they like."""

import hashlib


def key_of(place: str, *names: object) -> str:
    """Make a key from a place and a hash of names.

    Streamlit refuses some characters in the key of an element and reserves others.

    Args:
        place: chosen by us.
        names: of detectors, columns, studies and whatever else comes from a disk or a URL.
    """
    return f"{place}.{hashlib.sha256(repr(tuple(map(str, names))).encode()).hexdigest()[:16]}"
