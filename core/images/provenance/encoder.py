"""Which encoder wrote a JPEG, by its quantisation tables and by marks that encoders leave."""

from core.images.compression import compression_of
from core.images.provenance.claim import Claim, File

KIND = "JPEG encoder"


def find(file: File) -> list[Claim]:
    """Compare a JPEG's tables with those of libjpeg."""
    named = compression_of(file.data) if file.contents.format == "JPEG" else None
    if named is None:
        return []
    how = named.removeprefix("JPEG ")
    # a mark that names the encoder says more than its tables
    writers = [f"It was written by {writer}." for writer in dict.fromkeys(file.contents.writers)]
    if how.startswith("quality"):
        said = f"Its tables are those of libjpeg at {how}, which most programs, libraries and websites write."
    else:
        said = f"Its tables ({how}) are not libjpeg's: cameras, phones and Photoshop have tables of their own."
    return [Claim(KIND, sentence, forgeable=True) for sentence in (said, *writers)]
