"""What files say of their origin, true and forged, in each format that can hold it; files made to stall."""

import json
import socket
import time
import zlib
from contextlib import suppress

import pytest

from core.images import provenance
from core.images.decoding import ImageError
from core.images.provenance import read_claims, summarise, weigh
from tests.core.images.origin_files import WEBUI, XMP, exif, png, saved, segment
from tests.core.images.signing import sign
from tests.corpus import chunk, sequence

COMFY = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}},
    # the first is named
    "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "refiner.safetensors"}},
}
MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif", "HEIF": "image/heif"}
SECONDS = 4.0


def claims(data, kind):
    found = [claim for claim in read_claims(data) if claim.kind == kind]
    assert all(claim.sentence.endswith(".") and "\n" not in claim.sentence for claim in found)
    return found


@pytest.mark.parametrize("packed, international", [(False, False), (True, True)])
def test_settings_of_webui(packed, international):
    (found,) = claims(png({"parameters": WEBUI}, packed=packed, international=international), "Generator settings")
    assert "“dreamshaper_8”" in found.sentence
    assert (found.detail, found.suggests) == (WEBUI, "generated")


@pytest.mark.parametrize(
    "data",
    [
        png({"parameters": "a note without settings"}), png({"prompt": "[" * 100_000}), png({"note": WEBUI}),
        png({"prompt": json.dumps({"question": "What is it?"})}),
        saved("JPEG", xmp=b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x><CreatorTool>&b;</CreatorTool></x>'),
        saved("JPEG", xmp=b"<x><y></x>"),
    ],
)  # fmt: skip
def test_what_only_looks_like_an_origin(data):
    assert read_claims(data) == []
    assert "does not say whether" in summarise([])


@pytest.mark.parametrize(
    "software, suggests",
    [("Midjourney 6", "generated"), ("DALL·E 3", "generated"), ("Kendall Editor", ""), ("imagen editada", "")],
)
def test_software_that_generates(software, suggests):
    data = saved("JPEG", exif=exif(software=software.encode(), camera=("Canon", "R6")))
    assert [claim.suggests for claim in claims(data, "Software")] == [suggests]
    assert ("says both" if suggests else "that a camera took it") in summarise(read_claims(data))


@pytest.mark.parametrize(
    "texts, program, model",
    [
        ({"prompt": json.dumps(COMFY)}, "ComfyUI", "sdxl.safetensors"),
        ({"workflow": json.dumps({"nodes": [{"type": "KSampler"}], "links": []})}, "ComfyUI", ""),
        ({"invokeai_metadata": json.dumps({"model": {"name": "Juggernaut"}, "seed": 3})}, "InvokeAI", "Juggernaut"),
        ({"parameters": json.dumps({"sui_image_params": {"model": "flux"}})}, "SwarmUI", "flux"),
        ({"parameters": json.dumps({"prompt": "a cat", "steps": 4, "model": "x"})}, "an image generator", "x"),
    ],
)
def test_settings_of_other_generators(texts, program, model):
    (found,) = claims(png(texts), "Generator settings")
    assert program in found.sentence
    assert ("model" in found.sentence) == bool(model)
    assert model in found.sentence


@pytest.mark.parametrize("kind", MIME)
def test_exif_in_every_format(kind):
    for comment in (
        b"UNICODE\0" + WEBUI.encode("utf-16-be"),
        b"UNICODE\0" + WEBUI.encode("utf-16-le"),
        b"ASCII\0\0\0" + WEBUI.encode(),
    ):
        assert claims(saved(kind, exif=exif(comment=comment)), "Generator settings")[0].detail == WEBUI
    camera, software = read_claims(saved(kind, exif=exif(camera=("Canon", "EOS R6"), software="Éditeur 2".encode())))
    assert (camera.sentence, camera.suggests) == ("Taken by the camera “Canon EOS R6”.", "photograph")
    assert (software.sentence, software.suggests) == ("Written by “Éditeur 2”.", "")


@pytest.mark.parametrize("code, suggests, meaning", [
    ("trainedAlgorithmicMedia", "generated", "made by a generative model"),
    ("digitalCapture", "photograph", "taken by a digital camera"),
    ("madeUp", "", "“madeUp”"),
])  # fmt: skip
def test_xmp_in_every_format(code, suggests, meaning):
    text = XMP.format(code)
    files = {kind: saved(kind, xmp=text.encode()) for kind in ("JPEG", "WEBP", "AVIF", "HEIF")}
    files["PNG"] = png({"XML:com.adobe.xmp": text}, international=True)
    for kind, data in files.items():
        source_type, software = read_claims(data)
        assert (source_type.suggests, meaning in source_type.sentence) == (suggests, True), kind
        assert software.sentence == "Written by “Painter 9”."


@pytest.mark.parametrize("kind", MIME)
def test_content_credentials(kind, tmp_path, monkeypatch):
    # wherever the server was started
    monkeypatch.chdir(tmp_path)
    signature, action = claims(sign(saved(kind), MIME[kind]), "Content Credentials")
    assert "“Test Signer, Tests”; the signature is valid; whether the signer is" in signature.sentence
    assert action.suggests == "generated"
    assert "“Made-up Generator 3”, made by a generative model" in action.sentence


def test_marks_of_services():
    described = "a fox --v 6 Job ID: 12345678-1234-1234-1234-123456789abc"
    (midjourney,) = claims(png({"Description": described}), "Generator settings")
    assert midjourney.suggests == "generated"
    assert read_claims(png({"Description": "a fox"})) == []
    credit = "<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:p='urn:p'><p:Credit>Made with Google AI</p:Credit></x:xmpmeta>"
    (google,) = claims(saved("JPEG", xmp=credit.encode()), "Credit")
    assert google.suggests == "generated"


def test_what_stands_behind_a_claim_and_forged_credentials():
    signed = sign(saved("JPEG"), "image/jpeg")
    forged = signed.replace(b"Generator 3", b"Generator 4")
    weighed = [weigh(read_claims(data)) for data in (signed, forged, png({"parameters": WEBUI}), saved("PNG"))]
    assert weighed == ["signed", "claimed", "claimed", "absent"]
    for data, sentence in {
        forged: "not valid: ",
        signed[:-10] + b"\0" * 8 + signed[-2:]: "not valid: the picture or what it says was changed",
    }.items():
        assert sentence in claims(data, "Content Credentials")[0].sentence
    # bytes that only look so are no credentials
    assert read_claims(segment(saved("JPEG"), 0xFE, b"jumb c2pa")) == []


def test_nothing_is_fetched():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:d='http://purl.org/dc/terms/' d:provenance='{address}'/>"
        data = saved("JPEG", xmp=xmp.encode())
        # the library itself is asked, though such a file holds no credentials of its own
        assert provenance.read_credentials(data, "image/jpeg") == []
        read_claims(data)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF"])
def test_a_file_of_several_pictures_says_so(kind):
    assert len(claims(sequence(kind), "How it was read")) == 1
    assert claims(saved(kind), "How it was read") == []


def test_a_text_of_strangers_is_cut_and_cleaned():
    (found,) = claims(png({"Software": "a\x07\u202e\n" + "b" * 9000}, international=True), "Software")
    assert found.sentence.startswith("Written by “a b")
    assert len(found.sentence) < 200
    (found,) = claims(png({"parameters": WEBUI + "\x07" + "b" * 9000}), "Generator settings")
    assert len(found.detail) == 4000
    assert "\x07" not in found.detail


def with_chunk(kind, body):
    """A PNG with a chunk more, after its header."""
    whole = saved("PNG")
    return whole[:33] + chunk(kind, body) + whole[33:]


STALLING = {
    "zTXt of 100 MB": lambda: with_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(100 * 2**20), 9)),
    "text of 15 MB": lambda: with_chunk(b"tEXt", b"parameters\0" + b"Steps: 1, " * 1_500_000),
    "deep XMP": lambda: png({"XML:com.adobe.xmp": "<a>" * 140_000 + "</a>" * 140_000}, international=True),
    "deep JSON": lambda: png({"prompt": '{"a":' * 200_000}),
    "wide JSON": lambda: png({"prompt": json.dumps({"class_type": ["x"] * 100_000})}),
}


@pytest.mark.parametrize("name", STALLING)
def test_a_file_made_to_stall_is_read_or_refused_in_time(name):
    data, began = STALLING[name](), time.process_time()
    with suppress(ImageError):
        read_claims(data)
    assert time.process_time() - began < SECONDS
