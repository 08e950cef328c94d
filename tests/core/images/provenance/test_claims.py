"""Each kind of metadata, true and forged, in each format that can hold it."""

import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, features

from core.images.containers.contents import Contents
from core.images.decoding import ImageError
from core.images.provenance import credentials
from core.images.provenance.claim import Claim, File
from core.images.provenance.registry import provenance
from tests.core.images.provenance.made import PICTURE, WEBUI, XMP, exif, gif_with_xmp, png, saved, segment, with_iptc
from tests.core.images.provenance.signing import sign

COMFY = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}},
    # the first is named
    "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "refiner.safetensors"}},
}
MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif", "HEIF": "image/heic"}
HOLDS_EXIF = ("PNG", "JPEG", "WEBP", "AVIF", "HEIF")


def claims(data: bytes, kind: str) -> list[Claim]:
    found = [claim for claim in provenance(data) if claim.kind == kind]
    assert all(claim.says.endswith(".") and "\n" not in claim.says for claim in found)
    return found


@pytest.mark.parametrize(("packed", "international"), [(False, False), (True, False), (False, True), (True, True)])
def test_webui(packed: bool, international: bool) -> None:
    (found,) = claims(png({"parameters": WEBUI}, packed=packed, international=international), "Generator settings")
    assert "Stable Diffusion WebUI" in found.says
    assert "“dreamshaper_8”" in found.says
    assert found.detail == WEBUI
    assert found.forgeable
    assert found.suggests == "generated"


@pytest.mark.parametrize(
    ("texts", "program", "model"),
    [
        ({"prompt": json.dumps(COMFY)}, "ComfyUI", "sdxl.safetensors"),
        ({"workflow": json.dumps({"nodes": [{"type": "KSampler"}], "links": []})}, "ComfyUI", ""),
        ({"prompt": json.dumps(COMFY), "workflow": json.dumps({"nodes": []})}, "ComfyUI", "sdxl.safetensors"),
        ({"invokeai_metadata": json.dumps({"model": {"name": "Juggernaut"}, "seed": 3})}, "InvokeAI", "Juggernaut"),
        ({"sd-metadata": json.dumps({"model_weights": "sd-1.5", "image": {"seed": 3}})}, "InvokeAI", "sd-1.5"),
        ({"parameters": json.dumps({"sui_image_params": {"model": "flux"}})}, "SwarmUI", "flux"),
    ],
)
def test_other_generators(texts: dict[str, str], program: str, model: str) -> None:
    (found,) = claims(png(texts), "Generator settings")
    assert program in found.says
    assert ("model" in found.says) == bool(model)
    assert model in found.says


@pytest.mark.parametrize(
    "texts",
    [
        {"parameters": "a note without settings"},
        {"prompt": "Describe the picture."},
        {"prompt": json.dumps({"question": "What is it?"})},
        {"prompt": "[" * 100_000},
        {"note": WEBUI},
    ],
)
def test_what_only_looks_like_settings(texts: dict[str, str]) -> None:
    assert claims(png(texts), "Generator settings") == []


@pytest.mark.parametrize("kind", HOLDS_EXIF)
def test_settings_in_the_user_comment(kind: str) -> None:
    for comment in (
        b"UNICODE\0" + WEBUI.encode("utf-16-be"),
        b"UNICODE\0" + WEBUI.encode("utf-16-le"),
        b"ASCII\0\0\0" + WEBUI.encode(),
    ):
        (found,) = claims(saved(kind, exif=exif(comment=comment)), "Generator settings")
        assert found.detail == WEBUI


@pytest.mark.parametrize("kind", HOLDS_EXIF)
def test_a_camera(kind: str) -> None:
    found = claims(saved(kind, exif=exif(camera=("Canon", "EOS R6"), software="Editor 2")), "EXIF")
    assert [claim.suggests for claim in found] == ["photograph", "", ""]
    assert "“Canon EOS R6” with settings" in found[0].says
    assert "“Editor 2”" in found[1].says
    assert "“2024:05:01 10:11:12”" in found[2].says


def test_a_camera_without_an_exposure_speaks_for_nothing() -> None:
    found = claims(saved("JPEG", exif=exif(camera=("Canon", "EOS R6"), exposed=False)), "EXIF")
    assert found[0].suggests == ""
    assert "without any setting" in found[0].says


def test_graphs_of_comfy_in_the_tags_of_a_camera_are_settings_and_no_camera() -> None:
    workflow = {"nodes": [{"type": "KSampler"}], "links": []}
    camera = f"workflow:{json.dumps(workflow)}", f"prompt:{json.dumps(COMFY)}"
    data = saved("WEBP", exif=exif(camera=camera, exposed=False))
    found = claims(data, "Generator settings")
    assert "made by ComfyUI, model “sdxl.safetensors”" in found[0].says
    assert all("ComfyUI" in claim.says and claim.suggests == "generated" for claim in found)
    # what is left is the time
    assert not [claim for claim in claims(data, "EXIF") if "Taken by" in claim.says]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_software_is_shown_as_it_was_written(encoding: str) -> None:
    (found,) = claims(saved("JPEG", exif=exif(software="Éditeur 2".encode(encoding))), "EXIF")
    assert found.says == "Written by “Éditeur 2”."


def test_software_that_generates() -> None:
    assert claims(saved("JPEG", exif=exif(software="Midjourney 6")), "EXIF")[0].suggests == "generated"
    assert claims(png({"Software": "NovelAI"}), "Text in the file")[0].suggests == "generated"
    # a description may speak of anything
    assert claims(png({"Description": "unlike Midjourney"}), "Text in the file")[0].suggests == ""


@pytest.mark.parametrize(("code", "suggests", "means"), [
    ("trainedAlgorithmicMedia", "generated", "made by a generative model"),
    ("digitalCapture", "photograph", "taken by a digital camera"),
    ("madeUp", "", "not known here"),
])  # fmt: skip
def test_digital_source_type(code: str, suggests: str, means: str) -> None:
    text = XMP.format(code)
    files = {kind: saved(kind, xmp=text.encode()) for kind in ("JPEG", "WEBP", "AVIF", "HEIF")}
    files |= {"PNG": png({"XML:com.adobe.xmp": text}, international=True), "GIF": gif_with_xmp(text.encode())}
    for kind, data in files.items():
        found = claims(data, "XMP")
        assert len(found) == 2, kind
        assert (found[0].suggests, means in found[0].says) == (suggests, True), kind
        assert "“Painter 9”" in found[1].says


@pytest.mark.parametrize("xmp", [
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
    "<x><y></x>",
    "no XML",
])  # fmt: skip
def test_xml_with_entities_is_refused(xmp: str) -> None:
    (found,) = claims(saved("JPEG", xmp=xmp.encode()), "XMP")
    assert found.says == "It has XMP data that cannot be read."


def test_iptc() -> None:
    data = with_iptc(saved("JPEG"), {80: "A. Photographer", 65: "Adobe Firefly", 55: "20240501"})
    found = claims(data, "IPTC")
    assert [claim.suggests for claim in found] == ["generated", "", ""]
    assert "“A. Photographer”" in found[1].says


@pytest.mark.parametrize(("quality", "tables"), [(75, None), (90, None), (None, [[17] * 64, [23] * 64])])
def test_the_encoder(quality: int | None, tables: list[list[int]] | None) -> None:
    options = {"quality": quality} if quality else {"qtables": tables}
    (found,) = claims(saved("JPEG", **options), "JPEG encoder")
    assert (f"libjpeg at quality {quality}" if quality else "not libjpeg's") in found.says
    assert claims(saved("PNG"), "JPEG encoder") == []


def test_an_encoder_that_says_its_name() -> None:
    found = claims(segment(saved("JPEG"), 0xEC, b"Ducky\0\1"), "JPEG encoder")
    assert found[1].says == "It was written by Adobe's “Save for Web”."


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_an_animation_of_avif_is_told_with_its_frames() -> None:
    frames = [Image.fromarray(np.ascontiguousarray(PICTURE[:, :, ::-1])), Image.fromarray(255 - PICTURE)]
    (found,) = claims(saved("AVIF", save_all=True, append_images=frames), "How it was read")
    assert found.says == "An AVIF animation of 3 frames; only the first is judged."
    assert claims(saved("AVIF"), "How it was read") == []


@pytest.mark.parametrize("kind", MIME)
def test_content_credentials(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # wherever the server was started
    monkeypatch.chdir(tmp_path)
    found = claims(sign(saved(kind), MIME[kind]), "Content Credentials")
    assert "“Test Signer, Tests”; the signature fits" in found[0].says
    assert "was not checked" in found[0].says
    assert found[1].suggests == "generated"
    assert "“Made-up Generator 3”, made by a generative model" in found[1].says
    assert all(claim.forgeable for claim in found)


def test_forged_credentials() -> None:
    signed = sign(saved("JPEG"), "image/jpeg")
    said = {
        signed.replace(b"Generator 3", b"Generator 4"): "a statement was changed after it was signed",
        signed[:-10] + b"\0" * 8 + signed[-2:]: "the picture was changed after it was signed",
        segment(saved("JPEG"), 0xEB, b"JP\0\1\0\0\0\1\0\0\0\x30jumb\0\0\0\x28jumd" + JUNK): "cannot be read",
    }
    for data, sentence in said.items():
        assert sentence in claims(data, "Content Credentials")[0].says


JUNK = bytes.fromhex("6332706100110010800000aa00389b71") + b"\x03c2pa\0" + b"\0" * 20


@pytest.mark.parametrize(
    ("code", "suggests"),
    [("compositeWithTrainedAlgorithmicMedia", ""), ("madeUp", "generated"), ("", "generated")],
)
def test_what_an_action_says_of_the_picture_goes_before_the_name_of_its_program(
    code: str, suggests: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = {"action": "c2pa.edited", "softwareAgent": "Adobe Firefly", "digitalSourceType": code}
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]}
    store = {"active_manifest": "one", "manifests": {"one": manifest}}
    monkeypatch.setattr(credentials, "read_store", lambda data, mime: store)
    found = credentials.find(File(b"", Contents("JPEG", credentials=True), None))
    assert [claim.suggests for claim in found] == ["", suggests]
    assert "“edited” with “Adobe Firefly”" in found[1].says


def test_credentials_are_read_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    together, met = threading.Barrier(2), []

    def run(*_: object, **__: object) -> SimpleNamespace:
        with contextlib.suppress(threading.BrokenBarrierError):
            met.append(together.wait(0.2))
        return SimpleNamespace(returncode=0, stdout=b"{}", stderr=b"")

    monkeypatch.setattr(credentials.subprocess, "run", run)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: credentials.read_store(b"", "image/png"), range(2))) == [{}, {}]
    assert met == []


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = sign(saved("PNG"), "image/png")
    monkeypatch.setattr(credentials, "find_spec", lambda name: None)
    (found,) = claims(signed, "Content Credentials")
    assert "c2pa-python" in found.says


def test_nothing_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:d='http://purl.org/dc/terms/' d:provenance='{address}'/>"
        data = saved("JPEG", xmp=xmp.encode())
        # the library itself is asked, though such a file holds no credentials of its own
        assert isinstance(credentials.read_store(data, "image/jpeg"), str)
        provenance(data)
        with pytest.raises(TimeoutError):
            server.accept()


def test_what_lies_outside_of_the_container_is_not_found() -> None:
    text = f"parameters\0{WEBUI}".encode() + XMP.format("trainedAlgorithmicMedia").encode() + b"caBXc2pajumb"
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        assert not [claim for claim in provenance(saved(kind) + text) if claim.suggests or claim.kind == "XMP"]


def test_plain_values() -> None:
    (found,) = claims(png({"parameters": WEBUI}), "Generator settings")
    said = json.loads(json.dumps(found.as_json()))
    assert set(said) == {"kind", "says", "detail", "forgeable", "suggests"}


def test_a_text_of_strangers_is_cut_and_cleaned() -> None:
    (found,) = claims(png({"Software": "a\x07\u202e\n" + "b" * 9000}, international=True), "Text in the file")
    assert found.says.startswith("Written by “a b")
    assert len(found.says) < 200
    assert len(found.detail) == 4000


def test_what_is_no_image() -> None:
    with pytest.raises(ImageError):
        provenance(b"no image")
    with pytest.raises(ImageError):
        provenance(bytes(21 * 2**20))
