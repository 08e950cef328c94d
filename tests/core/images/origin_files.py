"""Pictures that say where they came from, made here by other means than those that read them."""

import struct

from PIL import Image, PngImagePlugin
from pillow_heif import register_heif_opener

from tests import conftest
from tests.conftest import noise

PICTURE = noise(48, 64, seed=3)
WEBUI = (
    "a lighthouse, oil painting\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model hash: abc, Model: dreamshaper_8"
)
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Painter 9"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
EXIF = 0x8769


def saved(kind, pixels=PICTURE, **options):
    """A picture in a format of Pillow's."""
    register_heif_opener()
    return conftest.saved(pixels, kind, **options)


def png(texts, *, packed=False, international=False):
    """A PNG with text chunks."""
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        if international:
            info.add_itxt(keyword, text, zip=packed)
        else:
            info.add_text(keyword, text, zip=packed)
    return saved("PNG", pnginfo=info)


def exif(
    *,
    camera=None,
    software="",
    comment=b"",
):
    """EXIF, as `Image.save` takes it."""
    held = Image.Exif()
    if camera:
        held[0x010F], held[0x0110] = camera
        held.get_ifd(EXIF)[0x9003] = "2024:05:01 10:11:12"
        held.get_ifd(EXIF)[0x829A] = 0.01
    if software:
        held[0x0131] = software
    if comment:
        held.get_ifd(EXIF)[0x9286] = comment
    return held.tobytes()


def segment(jpeg, marker, body):
    """The same JPEG with a segment more, the first."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
