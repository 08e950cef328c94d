"""Settings that image generators write into their files: Stable Diffusion WebUI, ComfyUI, InvokeAI and their kin."""

import json
import re
from collections.abc import Iterator
from typing import Any

from core.images.provenance.claim import Claim, File, at_length, quoted
from core.images.provenance.exif import comment_of, graphs_of

KIND = "Generator settings"
# the last line of what WebUI writes is a list of settings
SETTING = re.compile(r"([A-Z][A-Za-z ]{0,40}): (\"[^\"]{0,200}\"|[^,\n]{0,200})(?:,|$)", re.MULTILINE)
# objects of a JSON text that are looked through
MAX_OBJECTS = 10_000


def find(file: File) -> list[Claim]:
    """Find the settings of generators in PNG text chunks, comments, EXIF's UserComment, and tags of the camera."""
    texts = [*file.contents.texts, *graphs_of(file.contents.exif)]
    if comment := comment_of(file.contents.exif):
        texts.append(("UserComment", comment))
    claims: dict[str, Claim] = {}
    for keyword, text in texts:
        claim = _read(keyword.lower(), text)
        # ComfyUI writes two chunks, and one claim is enough
        if claim is not None:
            claims.setdefault(claim.says, claim)
    return list(claims.values())


def _read(keyword: str, text: str) -> Claim | None:
    held = _parse(text)
    if keyword in ("invokeai_metadata", "sd-metadata", "invokeai_graph"):
        return _claim("InvokeAI", _value(held, ("model_weights", "model_name", "name")), text)
    if isinstance(held, dict):
        if "sui_image_params" in held:
            return _claim("SwarmUI", _value(held, ("model",)), text)
        if keyword in ("prompt", "workflow") and _is_comfy(held):
            return _claim("ComfyUI", _value(held, ("ckpt_name", "unet_name", "model_name")), text)
        if keyword in ("parameters", "usercomment", "comment") and {"prompt", "steps"} <= {
            key.lower() for key in held if isinstance(key, str)
        }:
            return _claim("an image generator", _value(held, ("base_model", "model")), text)
        return None
    if keyword in ("parameters", "usercomment", "comment") and "Steps: " in text:
        settings = dict(SETTING.findall(text[text.rfind("Steps: ") :]))
        if "Sampler" in settings or "Seed" in settings:
            return _claim("Stable Diffusion WebUI or one of its kind", settings.get("Model", ""), text)
    return None


def _claim(program: str, model: str, text: str) -> Claim:
    named = f", model {quoted(model)}" if model else ""
    return Claim(
        KIND,
        f"It carries the settings of a picture that was made by {program}{named}.",
        at_length(text),
        suggests="generated",
    )


def _parse(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # nested too deep is as good as no JSON
        return None


def _is_comfy(held: dict[str, Any]) -> bool:
    """Recognise a ComfyUI graph, in API format (`class_type`) or as a workflow (`nodes`)."""
    nodes = held.get("nodes")
    if isinstance(nodes, list) and any(isinstance(node, dict) and "type" in node for node in nodes):
        return True
    return any(isinstance(node, dict) and "class_type" in node for node in held.values())


def _value(held: Any, names: tuple[str, ...]) -> str:
    """Return the first text under one of these names, anywhere in a JSON value, the names in their order."""
    found: dict[str, str] = {}
    for name, value in _texts(held):
        found.setdefault(name, value)
    return next((found[name] for name in names if name in found), "")


def _texts(held: Any) -> Iterator[tuple[str, str]]:
    waiting, seen = [held], 0
    while waiting and seen < MAX_OBJECTS:
        seen += 1
        one = waiting.pop()
        if isinstance(one, dict):
            yield from ((name, value) for name, value in one.items() if isinstance(value, str))
            waiting += [value for value in reversed(one.values()) if isinstance(value, dict | list)]
        elif isinstance(one, list):
            waiting += [value for value in one[MAX_OBJECTS - 1 :: -1] if isinstance(value, dict | list)]
