"""IPTC-IIM, the older records of news agencies."""

from core.images.provenance.claim import Claim, File, quoted
from core.images.provenance.source_type import is_generator

KIND = "IPTC"
# data set number in the application record -> sentence that shows it
SHOWN = {
    65: "Written by {}.",
    80: "Its author is {}.",
    110: "Credited to {}.",
    115: "Its source is {}.",
    116: "Copyright: {}.",
    55: "Made on {}.",
}
APPLICATION = 2
MAX_SETS = 1000


def find(file: File) -> list[Claim]:
    """Find what the application record says."""
    data, start = file.contents.iptc, 0
    found: dict[int, str] = {}
    for _ in range(MAX_SETS):
        if data[start : start + 1] != b"\x1c" or start + 5 > len(data):
            break
        size = int.from_bytes(data[start + 3 : start + 5], "big")
        # other records, such as the envelope that names the character set, come before it
        if data[start + 1] == APPLICATION:
            found.setdefault(data[start + 2], data[start + 5 : start + 5 + size].decode("utf-8", "replace"))
        start += 5 + size
    return [
        Claim(KIND, sentence.format(quoted(found[number])), suggests="generated" if is_generator(found[number]) else "")
        for number, sentence in SHOWN.items()
        if found.get(number, "").strip()
    ]
