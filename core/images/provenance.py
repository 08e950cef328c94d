"""What a file says of its own origin: camera, software, generator settings, digital source type, Content Credentials.

Read with Pillow and, where it is installed, c2pa-python. Nothing in a file is executed, and nothing that it names is
fetched. Anyone can write, change or remove what a file says.

`python -m core.images.provenance MIME < FILE` prints the manifest store of Content Credentials as JSON: a library in
another language reads them, so it gets a process of its own with limits of time and memory.
"""

import contextlib
import io
import json
import re
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from PIL import ExifTags, Image

from core.images.decoding import exif_of, open_image
from core.storage import harmless

ROOT = Path(__file__).parents[2]
# most characters of untrusted text in a sentence and in the details below it, and of a text that is parsed
SHORT, LONG, MOST = 160, 4000, 2**20
# values of a JSON text, or of XMP, that are looked through
MAX_VALUES = 10_000
# limit of wall-clock time, of CPU time and of memory for reading Content Credentials
SECONDS, CPU_SECONDS, MEMORY = 10, 5, 3 * 2**30
# nothing is fetched from the network, whatever addresses the file names
OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_reading": True, "verify_trust": True},
    "core": {"allowed_network_hosts": []},
}
Suggests = Literal["generated", "photograph", ""]
# https://cv.iptc.org/newscodes/digitalsourcetype/
SOURCE_TYPES: dict[str, tuple[str, Suggests]] = {
    "trainedAlgorithmicMedia": ("made by a generative model", "generated"),
    "compositeWithTrainedAlgorithmicMedia": ("put together with parts from a generative model", ""),
    "algorithmicMedia": ("made by an algorithm that was not trained", ""),
    "digitalCapture": ("taken by a digital camera", "photograph"),
    "computationalCapture": ("taken by a camera that computes", "photograph"),
    "negativeFilm": ("scanned from a negative", "photograph"),
    "positiveFilm": ("scanned from a positive", "photograph"),
    "print": ("scanned from a print", "photograph"),
    "composite": ("put together from several sources", ""),
    "digitalCreation": ("drawn on a computer by a person", ""),
    "digitalArt": ("drawn on a computer by a person", ""),
    "screenCapture": ("a screenshot", ""),
}
# names of generators, as they stand in fields for software; people and places are called Kendall, Dallas, Firefly and
# Gemini too, and "imagen" is Spanish for picture
GENERATORS = re.compile(
    r"stable diffusion|midjourney|\bdall\W?e(?![a-z])|\b(adobe firefly|firefly image)|novelai|comfyui|invokeai|fooocus"
    r"|automatic1111|\b(google imagen|imagen[ -]?[1-9](?!\d))|ideogram|leonardo\.ai|openai|google ai"
    r"|\b(google gemini|gemini[ -]?\d)|chatgpt|black forest labs|swarmui|bing image creator",
    re.IGNORECASE,
)
# the last line of what Stable Diffusion WebUI writes is a list of settings
SETTING = re.compile(r"([A-Z][A-Za-z ]{0,40}): (\"[^\"]{0,200}\"|[^,\n]{0,200})(?:,|$)", re.MULTILINE)
# ComfyUI keeps its graph in tags of the camera where a file has no text chunks: "workflow:{...}", "prompt:{...}"
GRAPH = re.compile(r"(\w+):\s*(\{.*)", re.DOTALL)
# names of a PNG's texts, and of comments
KEYWORDS = (
    "parameters", "prompt", "workflow", "comment", "invokeai_metadata", "sd-metadata", "invokeai_graph", "software",
)  # fmt: skip
# the text of EXIF's UserComment follows the name of its character set
CHARACTERS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16", b"\0" * 8: "utf-8"}
# labels of the assertions of Content Credentials that list what was done
ACTIONS = "c2pa.actions"
_lock = threading.Lock()


@dataclass(frozen=True)
class Claim:
    """One thing that a file says.

    Attributes:
        kind: the kind of evidence, as a label.
        sentence: one sentence, which may quote the file.
        detail: the file's own text at more length, at most `LONG` characters; "" where there is none.
        suggests: what kind of picture it speaks for, "" where neither.
    """

    kind: str
    sentence: str
    detail: str = ""
    suggests: Suggests = ""


def read_claims(data: bytes) -> list[Claim]:
    """Read what a file says of its origin, the strongest evidence first.

    Raises:
        ImageError: as for `core.images.decoding.decode`.
    """
    with open_image(data) as image:
        # chunks of a PNG may lie behind its pixels
        image.load()
        kind, animated = str(image.format), getattr(image, "is_animated", False)
        exif = exif_of(image)
        own: dict[int, Any] = {}
        with contextlib.suppress(Exception):
            own = exif.get_ifd(ExifTags.IFD.Exif)
        xmp = _values(_xmp(image))
        texts = {key: _text(value) for name, value in image.info.items() if (key := str(name).lower()) in KEYWORDS}
    camera = [_text(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model)]
    graphs = {match[1]: match[2] for text in reversed(camera) if (match := GRAPH.match(text))}
    comment = {"usercomment": _comment(own.get(ExifTags.Base.UserComment))}
    claims = [*_credentials(data, Image.MIME.get(kind, "")), *_settings(texts | comment | graphs)]
    if code := xmp.get("DigitalSourceType", ""):
        meaning, suggests = _source_type(code)
        sentence = f"{_quote(code.rpartition('/')[2] or code)}: {meaning or 'a code that is not known here'}."
        claims.append(Claim("Digital source type", sentence, suggests=suggests))
    named = " ".join(text for text in camera if text and not GRAPH.match(text))
    if camera_name := named or " ".join(xmp[tag] for tag in ("Make", "Model") if tag in xmp):
        claims.append(Claim("Camera", f"Taken by the camera {_quote(camera_name)}.", suggests="photograph"))
    software = (_text(exif.get(ExifTags.Base.Software)), texts.get("software"), xmp.get("CreatorTool"))
    for name in dict.fromkeys(filter(None, (*software, xmp.get("AISystemUsed")))):
        generates = name == xmp.get("AISystemUsed") or GENERATORS.search(name)
        claims.append(Claim("Software", f"Written by {_quote(name)}.", suggests="generated" if generates else ""))
    if animated:
        claims.append(Claim("How it was read", f"It has several {kind} pictures; only the first is judged."))
    return claims


def summarise(claims: list[Claim]) -> str:
    """Return in a sentence what the claims together speak for."""
    suggested = {claim.suggests for claim in claims} - {""}
    if len(suggested) == 2:
        return "The file says both that a camera took it and that a generator made it."
    if suggested:
        source = {"generated": "a generator made it", "photograph": "a camera took it"}[suggested.pop()]
        return f"The file says that {source}."
    return "The file does not say whether a camera or a generator made it, which most files do not."


def _settings(texts: dict[str, str]) -> list[Claim]:
    """Find the settings that image generators write into text chunks, comments and EXIF; one claim a program."""
    claims: dict[str, Claim] = {}
    for keyword, text in texts.items():
        program, model = _generator(keyword, text)
        sentence = f"Settings of {program}{f', model {_quote(model)}' if model else ''}."
        detail = "\n".join(map(harmless, text[: LONG + 1].splitlines()))
        detail = detail if len(text) <= LONG else f"{detail[: LONG - 1]}…"
        if program:
            claims.setdefault(program, Claim("Generator settings", sentence, detail, "generated"))
    return list(claims.values())


def _generator(keyword: str, text: str) -> tuple[str, str]:
    """Return the program that wrote a text, "" for none, and the model that it names."""
    try:
        parsed = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        # nested too deep is as good as no JSON
        parsed = None
    if keyword in ("invokeai_metadata", "sd-metadata", "invokeai_graph"):
        return "InvokeAI", _first(parsed, "model_weights", "model_name", "name")
    if isinstance(parsed, dict):
        if "sui_image_params" in parsed:
            return "SwarmUI", _first(parsed, "model")
        # a graph as a workflow, or in API format
        is_graph = any("type" in node for node in _list(parsed.get("nodes")))
        is_graph |= any("class_type" in node for node in _list(list(parsed.values())))
        if keyword in ("prompt", "workflow") and is_graph:
            return "ComfyUI", _first(parsed, "ckpt_name", "unet_name", "model_name")
        if {"prompt", "steps"} <= {name.lower() for name in parsed}:
            return "an image generator", _first(parsed, "base_model", "model")
    elif keyword in ("parameters", "usercomment", "comment") and "Steps: " in text:
        settings = dict(SETTING.findall(text[text.rfind("Steps: ") :]))
        if "Sampler" in settings or "Seed" in settings:
            return "Stable Diffusion WebUI or one of its kind", settings.get("Model", "")
    return "", ""


def _credentials(data: bytes, mime: str) -> list[Claim]:
    """Read C2PA Content Credentials. That there are none says nothing, so that is no claim."""
    kind = "Content Credentials"
    if b"c2pa" not in data or b"jumb" not in data:
        return []
    if find_spec("c2pa") is None:
        return [Claim(kind, "Reading them needs the package c2pa-python: pip install it.")]
    store = read_store(data, mime)
    if not isinstance(store, dict):
        return [Claim(kind, f"They cannot be read: {store}.")] if store else []
    manifest = _dict(_dict(store, "manifests"), str(store.get("active_manifest")))
    signature = _dict(manifest, "signature_info")
    names = [value for key in ("common_name", "issuer") if isinstance(value := signature.get(key), str) and value]
    failures = _dict(_dict(store, "validation_results"), "activeManifest").get("failure")
    codes = [str(failure.get("code")) for failure in _list(failures)]
    wrong = [code for code in codes if code != "signingCredential.untrusted"]
    if wrong:
        is_changed = wrong[0].endswith("ash.mismatch")
        validity = f"not valid: {'the picture was changed after it was signed' if is_changed else _quote(wrong[0])}"
    else:
        validity = {
            "Trusted": "valid, and the signer is trusted",
            "Valid": "valid; whether the signer is who it says was not checked",
        }.get(str(store.get("validation_state")), "not valid")
    signer = _quote(", ".join(dict.fromkeys(names))) if names else "somebody who is not named"
    return [Claim(kind, f"Signed by {signer}; the signature is {validity}."), *_actions(manifest, kind)]


def _actions(manifest: dict[str, Any], kind: str) -> list[Claim]:
    """Return what the active manifest says was done to the picture, each sentence once and at most ten."""
    assertions = [
        part for part in _list(manifest.get("assertions"))[:100] if str(part.get("label")).startswith(ACTIONS)
    ]
    claims: dict[str, Claim] = {}
    for action in (action for part in assertions for action in _list(_dict(part, "data").get("actions"))[:50]):
        agent = action.get("softwareAgent")
        agent = str(agent.get("name") if isinstance(agent, dict) else agent or "")
        meaning, suggests = _source_type(str(action.get("digitalSourceType") or ""))
        if not meaning and GENERATORS.search(agent):
            suggests = "generated"
        done = _quote(str(action.get("action") or "").removeprefix("c2pa.") or "made")
        sentence = f"It says: {done}{f' with {_quote(agent)}' if agent else ''}{f', {meaning}' if meaning else ''}."
        claims.setdefault(sentence, Claim(kind, sentence, suggests=suggests))
    return list(claims.values())[:10]


def read_store(data: bytes, mime: str) -> dict[str, Any] | str:
    """Return the manifest store of a file as c2pa-python reports it, or why there is none; "" for none at all."""
    command = [sys.executable, "-m", "core.images.provenance", mime]
    try:
        # each may take gigabytes, so one at a time; `-m` needs the repository root, wherever the server was started
        with _lock:
            done = subprocess.run(  # noqa: S603
                command, cwd=ROOT, input=data, capture_output=True, timeout=SECONDS, check=False
            )
    except subprocess.TimeoutExpired:
        return f"that takes longer than {SECONDS} s"
    if done.returncode != 0 or len(done.stdout) > MOST:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        if last and "ManifestNotFound" in last[0]:
            return ""
        return _quote(last[0]) if last and done.returncode == 2 else "they are damaged, or too large"
    try:
        store = json.loads(done.stdout)
    except (ValueError, RecursionError):
        store = None
    return store if isinstance(store, dict) else "they are damaged"


def _source_type(code: str) -> tuple[str, Suggests]:
    """Return what a code of DigitalSourceType, or its URL, means and speaks for; ("", "") if unknown."""
    return SOURCE_TYPES.get(code.strip().rstrip("/").rpartition("/")[2], ("", ""))


def _xmp(image: Image.Image) -> Any:
    """Return XMP as nested dicts, {} where there is none that can be read; entities are refused by defusedxml."""
    with contextlib.suppress(Exception):
        if len(image.info.get("xmp", b"")) <= MOST:
            return image.getxmp()
    return {}


def _values(tree: Any) -> dict[str, str]:
    """Map each name in nested dicts and lists to the first text that stands under it, in order of depth."""
    values: dict[str, str] = {}
    level = deque([("", tree)])
    for _ in range(MAX_VALUES):
        if not level:
            break
        name, value = level.popleft()
        if isinstance(value, str):
            values.setdefault(name, value.strip())
        elif isinstance(value, dict):
            # of an RDF resource or a text with attributes, the value is that of the name above
            level += [(name if key in ("resource", "text") else str(key), held) for key, held in value.items()]
        elif isinstance(value, list):
            level += [(name, held) for held in value[:MAX_VALUES]]
    return values


def _first(parsed: Any, *names: str) -> str:
    values = _values(parsed)
    return next((values[name] for name in names if values.get(name)), "")


def _text(value: object) -> str:
    """Return a text of EXIF or a PNG as it was written; "" for anything else, and for more than is parsed."""
    if isinstance(value, bytes):
        value = value[: MOST + 1].decode("utf-8", "replace")
    if not isinstance(value, str) or len(value) > MOST:
        return ""
    # Pillow reads Latin-1, and most programs write UTF-8
    with contextlib.suppress(UnicodeError):
        value = value.encode("latin-1").decode("utf-8")
    return value.strip("\0 ")


def _comment(raw: object) -> str:
    """Return EXIF's UserComment as text."""
    if not isinstance(raw, bytes) or (characters := CHARACTERS.get(raw[:8])) is None:
        return _text(raw)
    if characters == "utf-16" and not raw[8:].startswith((b"\xff\xfe", b"\xfe\xff")):
        # EXIF does not state the byte order; in big-endian text the zero precedes a Latin letter
        characters = "utf-16-be" if raw[8::2].count(0) > raw[9::2].count(0) else "utf-16-le"
    return raw[8:].decode(characters, "replace").rstrip("\0")


def _quote(text: str) -> str:
    """Quote untrusted text on one line, without control characters and cut to `SHORT` characters."""
    line = " ".join(harmless(text[:MOST]).split())
    return f"“{line if len(line) <= SHORT else line[: SHORT - 1].rstrip() + '…'}”"


def _dict(value: Any, name: str) -> dict[str, Any]:
    held = value.get(name) if isinstance(value, dict) else None
    return held if isinstance(held, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [held for held in value if isinstance(held, dict)] if isinstance(value, list) else []


def _print_store(mime: str) -> int:
    """Print the manifest store of the file on standard input; on an error, print one line and return 2."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        # not on every system
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    import c2pa  # noqa: PLC0415

    try:
        context = c2pa.Context(c2pa.Settings.from_dict(OFFLINE))
        with c2pa.Reader(mime, io.BytesIO(sys.stdin.buffer.read()), context=context) as reader:
            # a console's encoding may lack letters of a name
            sys.stdout.buffer.write(reader.json().encode())
    except c2pa.C2paError as error:
        print(" ".join(str(error).split())[:300], file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_print_store(sys.argv[1]))
