"""XMP: DigitalSourceType, software, camera and dates."""

from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from core.images.provenance.claim import Claim, File, Suggests, quoted
from core.images.provenance.source_type import is_generator, source_type

KIND = "XMP"
EXTENSION = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
BASIC = "{http://ns.adobe.com/xap/1.0/}"
TIFF = "{http://ns.adobe.com/tiff/1.0/}"
DUBLIN = "{http://purl.org/dc/elements/1.1/}"
RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
SOURCE_TYPE = f"{EXTENSION}DigitalSourceType"
# what is shown, and how
SHOWN = {
    f"{EXTENSION}AISystemUsed": "It names the AI system {}.",
    f"{BASIC}CreatorTool": "Made with {}.",
    f"{TIFF}Make": "The camera's maker is {}.",
    f"{TIFF}Model": "The camera is {}.",
    f"{BASIC}CreateDate": "Made at {}.",
    f"{BASIC}ModifyDate": "Last changed at {}.",
    f"{DUBLIN}creator": "Its creator is {}.",
}


def find(file: File) -> list[Claim]:
    """Find what XMP says; XML with entities or a document type is refused."""
    if not file.contents.xmp:
        return []
    try:
        root = fromstring(file.contents.xmp.strip(b"\0 \r\n\t"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return [Claim(KIND, "It has XMP data that cannot be read.")]
    values = _values(root)
    claims = []
    if code := values.get(SOURCE_TYPE):
        means, suggests = source_type(code)
        said = f": {means}" if means else ", a code that is not known here"
        short = quoted(code.rpartition("/")[2] or code)
        claims.append(Claim(KIND, f"DigitalSourceType {short}{said}.", code, suggests=suggests))
    for name, sentence in SHOWN.items():
        if value := values.get(name):
            named_ai = name.endswith("AISystemUsed") or (name.endswith("CreatorTool") and is_generator(value))
            speaks: Suggests = "generated" if named_ai else ""
            claims.append(Claim(KIND, sentence.format(quoted(value)), suggests=speaks))
    return claims


def _values(root: Element) -> dict[str, str]:
    """Return the first value of each wanted property, be it an attribute, a resource, a text or a list item."""
    wanted = {SOURCE_TYPE, *SHOWN}
    found: dict[str, str] = {}
    for element in root.iter():
        for name, value in element.attrib.items():
            if name in wanted:
                found.setdefault(name, value.strip())
        # only the first: repeats nested in each other would take quadratic time
        if element.tag in wanted and element.tag not in found:
            texts = (one.text.strip() for one in element.iter() if one.text and one.text.strip())
            found[element.tag] = element.get(RESOURCE) or next(texts, "")
    return found
