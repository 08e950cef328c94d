"""What a file says of its own origin: camera, software, generator settings, digital source type, Content Credentials.

Read with Pillow and, where it is installed, c2pa-python. Nothing in a file is executed, and nothing that it names is
fetched. Anyone can write, change or remove what a file says.

`python -m core.images.provenance MIME < FILE` prints what Content Credentials say as JSON: a library in another
language reads them, so it gets a process of its own with limits of time and memory.
"""

import contextlib
import io
import json
import re
import subprocess
import sys
import tomllib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from PIL import ExifTags, Image

from core.homes import ROOT
from core.images.decoding import exif_of, open_image
from core.images.parts import without_pixels
from core.storage.limits import printable

# most characters of untrusted text in a sentence and in the details below it, and of a text that is parsed
SHORT = 160
LONG = 4000
MAX_TEXT = 2**20
# values of a JSON text, or of XMP, that are looked through
MAX_VALUES = 10_000
# limit of wall-clock time, of CPU time and of memory for reading Content Credentials
SECONDS = 10
CPU_SECONDS = 5
MEMORY = 3 * 2**30
# nothing is fetched from the network, whatever addresses the file names
OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_reading": True, "verify_trust": True},
    "core": {"allowed_network_hosts": []},
}
Suggests = Literal["generated", "photograph", ""]
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
# Midjourney ends its description so
JOB = re.compile(r"Job ID: [0-9a-f]{8}-[0-9a-f-]{27}\b")
# source types, validity of signatures, keywords of texts, and programs that write them
SIGNS = tomllib.loads(Path(__file__).with_name("provenance.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Claim:
    """One thing that a file says.

    Attributes:
        kind: the kind of evidence, as a label.
        sentence: one sentence, which may quote the file.
        detail: the file's own text at more length, at most `LONG` characters; "" where there is none.
        suggests: what kind of picture it speaks for, "" where neither.
        signed: True if a signature that fits the file covers it.
    """

    kind: str
    sentence: str
    detail: str = ""
    suggests: Suggests = ""
    signed: bool = False


# what stands behind the claims of a file that say what made it
Weight = Literal["signed", "claimed", "absent"]


def read_claims(data: bytes) -> list[Claim]:
    """Read what a file says of its origin, the strongest evidence first.

    Raises:
        ImageError: as for `core.images.decoding.decode`.
    """
    # the parts of a PNG may lie behind its pixels
    with open_image(without_pixels(data)) as image:
        mime = Image.MIME.get(str(image.format), "")
        is_animated = getattr(image, "is_animated", False)
        exif = exif_of(image)
        own = {}
        xmp = {}
        # Pillow raises many kinds of error on what is damaged; defusedxml refuses entities
        with contextlib.suppress(Exception):
            own = exif.get_ifd(ExifTags.IFD.Exif)
        with contextlib.suppress(Exception):
            if len(image.info.get("xmp", b"")) <= MAX_TEXT:
                xmp = _values(image.getxmp())
        info = {str(name).lower(): value for name, value in image.info.items()}
    texts = {key: _text(value) for key, value in info.items() if key in SIGNS["keywords"]}
    claims = []
    if b"c2pa" in data and b"jumb" in data:
        claims = read_credentials(data, mime)
    claims += _settings([*texts.items(), ("comment", _comment(own.get(ExifTags.Base.UserComment)))])
    code = xmp.get("DigitalSourceType")
    if code:
        meaning, suggests = _source_type(code)
        sentence = f"It says: {_quote(code.rpartition('/')[2])}{meaning}."
        claims.append(Claim("Digital source type", sentence, suggests=suggests))
    camera = f"{_text(exif.get(ExifTags.Base.Make))} {_text(exif.get(ExifTags.Base.Model))}".strip()
    if camera:
        claims.append(Claim("Camera", f"Taken by the camera {_quote(camera)}.", suggests="photograph"))
    for name in dict.fromkeys((_text(exif.get(ExifTags.Base.Software)), texts.get("software"), xmp.get("CreatorTool"))):
        if name:
            claims.append(Claim("Software", f"Written by {_quote(name)}.", suggests=_of_generator(name)))
    credit = xmp.get("Credit")
    if credit:
        sentence = f"Its credit line says {_quote(credit)}."
        claims.append(Claim("Credit", sentence, suggests=_of_generator(credit)))
    if is_animated:
        claims.append(Claim("How it was read", "It has several pictures; only the first is judged."))
    return claims


def _of_generator(name: str) -> Suggests:
    """Return what the name of a program speaks for."""
    return "generated" if GENERATORS.search(name) else ""


def weigh(claims: list[Claim]) -> Weight:
    """Return what stands behind the claims that say what made a picture: a signature, somebody's word, or nothing."""
    telling = [claim.signed for claim in claims if claim.suggests]
    if not telling:
        return "absent"
    return "signed" if any(telling) else "claimed"


def summarise(claims: list[Claim]) -> str:
    """Return in a sentence what the claims together speak for; where some are signed, those alone."""
    is_signed = weigh(claims) == "signed"
    suggested = {claim.suggests for claim in claims if claim.suggests and claim.signed >= is_signed}
    if len(suggested) == 2:
        return "The file says both that a camera took it and that a generator made it."
    if suggested:
        source = {"generated": "a generator made it", "photograph": "a camera took it"}[suggested.pop()]
        return f"The file says that {source}."
    return "The file does not say whether a camera or a generator made it, which most files do not."


def _settings(texts: Iterable[tuple[str, str]]) -> list[Claim]:
    """Find the settings that image generators write into text chunks, comments and EXIF; one claim a program."""
    claims: dict[str, Claim] = {}
    for keyword, text in texts:
        program, model = _generator(keyword, text)
        if program:
            detail = "\n".join(map(printable, text[: LONG + 1].splitlines()))
            if len(text) > LONG:
                detail = f"{detail[: LONG - 1]}…"
            if model:
                model = f", model {_quote(model)}"
            sentence = f"Settings of {program}{model}."
            claims.setdefault(program, Claim("Generator settings", sentence, detail, "generated"))
    return list(claims.values())


def _generator(keyword: str, text: str) -> tuple[str, str]:
    """Return the program that wrote a text, "" for none, and the model that it names."""
    if keyword == "description" and JOB.search(text):
        return "Midjourney", ""
    if keyword in ("parameters", "comment") and "Steps: " in text:
        settings = dict(SETTING.findall(text[text.rfind("Steps: ") :]))
        if "Sampler" in settings or "Seed" in settings:
            return "Stable Diffusion WebUI or one of its kind", settings.get("Model", "")
    # nested too deep is as good as no JSON
    with contextlib.suppress(ValueError, RecursionError):
        values = {keyword: ""} | _values(json.loads(text))
        for program in SIGNS["programs"]:
            if values.keys() >= set(program["marks"]):
                return program["title"], next(filter(None, map(values.get, program["models"])), "")
    return "", ""


def read_credentials(data: bytes, mime: str) -> list[Claim]:
    """Read C2PA Content Credentials: who signed, and what was done to the picture.

    That there are none says nothing, so that is no claim.
    """
    kind = "Content Credentials"
    if find_spec("c2pa") is None:
        return [Claim(kind, "Reading them needs the package c2pa-python: pip install it.")]
    command = [sys.executable, "-m", "core.images.provenance", mime]
    try:
        # `-m` needs the repository root, wherever the server was started
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, input=data, capture_output=True, timeout=SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        return [Claim(kind, f"They cannot be read: that takes longer than {SECONDS} s.")]
    except subprocess.CalledProcessError as error:
        if b"ManifestNotFound" in error.stderr:
            return []
        return [Claim(kind, "They cannot be read: they are damaged, or too large.")]
    stated = json.loads(done.stdout)
    signed = stated["signed"]
    return [Claim(kind, sentence, suggests=suggests, signed=signed) for sentence, suggests in stated["says"]]


def _source_type(code: str) -> tuple[str, Suggests]:
    """Return what a code of DigitalSourceType, or its URL, means and speaks for."""
    meaning, suggests = SIGNS["source_types"].get(code.strip().rstrip("/").rpartition("/")[2], ("", ""))
    return meaning, suggests


def _values(tree: Any) -> dict[str, str]:
    """Map each name in nested dicts and lists to the first text that stands under it, "" for none, by depth."""
    values: dict[str, str] = {}
    level = deque([("", tree)])
    for _ in range(MAX_VALUES):
        if not level:
            break
        name, value = level.popleft()
        values.setdefault(name, "")
        if isinstance(value, str):
            values[name] = values[name] or value.strip()
        elif isinstance(value, list):
            level += [(name, part) for part in value[:MAX_VALUES]]
        elif isinstance(value, dict):
            for key, part in value.items():
                # of an RDF resource or a text with attributes, the value is that of the name above
                level.append((name if key in ("resource", "text") else str(key), part))
    return values


def _text(value: object) -> str:
    """Return a text of EXIF or a PNG as it was written; "" for anything else, and for more than is parsed."""
    if isinstance(value, bytes):
        value = value[: MAX_TEXT + 1].decode("utf-8", "replace")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return ""
    # Pillow reads Latin-1, and most programs write UTF-8
    with contextlib.suppress(UnicodeError):
        value = value.encode("latin-1").decode("utf-8")
    return value.strip("\0 ")


def _comment(raw: object) -> str:
    """Return EXIF's UserComment, which begins with the name of its character set, as text."""
    if not isinstance(raw, bytes) or not raw.startswith((b"UNICODE\0", b"ASCII\0\0\0")):
        return _text(raw)
    # EXIF does not state the byte order; in big-endian text the zero precedes a Latin letter
    text = raw[8:]
    encoding = "ascii"
    if raw.startswith(b"UNICODE"):
        encoding = "utf-16-le"
        if text[::2].count(0) > text[1::2].count(0):
            encoding = "utf-16-be"
    return text.decode(encoding, "replace").rstrip("\0")


def _quote(text: str) -> str:
    """Quote untrusted text on one line, without control characters and cut to `SHORT` characters."""
    line = " ".join(printable(text[:MAX_TEXT]).split())
    if len(line) > SHORT:
        line = line[: SHORT - 1].rstrip() + "…"
    return f"“{line}”"


def _print_credentials(mime: str) -> None:
    """Print as JSON what the Content Credentials of the file on standard input say.

    `signed` is true where the signature is valid; `says` holds [sentence, what it suggests] for each claim.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        # not on every system
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    import c2pa  # noqa: PLC0415

    context = c2pa.Context(c2pa.Settings.from_dict(OFFLINE))
    with c2pa.Reader(mime, io.BytesIO(sys.stdin.buffer.read()), context=context) as reader:
        store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    names = filter(None, map(manifest["signature_info"].get, ("common_name", "issuer")))
    validity = SIGNS["validity"].get(store["validation_state"], "not valid: the picture or what it says was changed")
    signer = _quote(", ".join(map(str, names)) or "nobody")
    claims = {f"Signed by {signer}; the signature is {validity}.": ""}
    actions = []
    for part in manifest.get("assertions", []):
        if part["label"].startswith("c2pa.actions"):
            actions += part["data"]["actions"]
    for action in actions[:10]:
        agent = _values({"name": action.get("softwareAgent")})["name"]
        meaning, suggests = _source_type(action.get("digitalSourceType", ""))
        done = _quote(action["action"].removeprefix("c2pa."))
        if agent:
            done += f" with {_quote(agent)}"
        if not meaning:
            suggests = _of_generator(agent)
        claims[f"It says: {done}{meaning}."] = suggests
    print(json.dumps({"signed": store["validation_state"] in SIGNS["validity"], "says": list(claims.items())}))


if __name__ == "__main__":
    _print_credentials(sys.argv[1])
