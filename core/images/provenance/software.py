"""Software and other notes in a PNG's text chunks and in comments."""

from core.images.provenance.claim import Claim, File, at_length, quoted
from core.images.provenance.source_type import is_generator

KIND = "Text in the file"
SHOWN = {"software": "Written by {}.", "source": "Its source is {}.", "author": "Its author is {}."}
NOTES = {"comment": "It has a comment: {}.", "description": "It has a description: {}.", "title": "Its title is {}."}


def find(file: File) -> list[Claim]:
    """Find the software, source and author that text fields name, and notes; at most 20 claims."""
    claims = []
    for keyword, text in file.contents.texts:
        sentence = (SHOWN | NOTES).get(keyword.lower())
        if sentence is None or not text.strip():
            continue
        # only a field for software says what made it; a description may speak of anything
        generator = keyword.lower() in SHOWN and is_generator(text)
        claims.append(
            Claim(
                KIND,
                sentence.format(quoted(text)),
                at_length(text) if len(text) > len(quoted(text)) else "",
                suggests="generated" if generator else "",
            )
        )
    return claims[:20]
