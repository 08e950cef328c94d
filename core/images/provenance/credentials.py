"""C2PA Content Credentials: who signed what about a picture, and whether the signature fits the file.

They are read in a process of their own with limits of time and memory, because a library in another language reads
them. Nothing is fetched: no manifest, no revocation, no list of trusted signers.
"""

import json
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.images.provenance.claim import Claim, File, Suggests, quoted
from core.images.provenance.source_type import is_generator, source_type

ROOT = Path(__file__).parents[3]
KIND = "Content Credentials"
MIME = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WebP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "HEIC": "image/heic",
}
# limit of wall-clock time; `credentials_process` limits CPU time to half of it
SECONDS = 10
MAX_JSON = 2**20
MISSING = "It carries Content Credentials, and reading them needs the package c2pa-python: pip install it."
UNREADABLE = "It carries Content Credentials that cannot be read"
# validation status code -> what is wrong
FAULTS = {
    "assertion.dataHash.mismatch": "the picture was changed after it was signed",
    "assertion.bmffHash.mismatch": "the picture was changed after it was signed",
    "assertion.hashedURI.mismatch": "a statement was changed after it was signed",
    "claimSignature.mismatch": "the signature does not fit",
    "signingCredential.expired": "the certificate had expired",
    "signingCredential.revoked": "the certificate was revoked",
    "signingCredential.invalid": "the certificate is not one that may sign pictures",
}
UNTRUSTED = "signingCredential.untrusted"
_ONE = threading.Lock()


def find(file: File) -> list[Claim]:
    """Find Content Credentials. That there are none says nothing, so that is no claim."""
    if not file.contents.credentials:
        return []
    if find_spec("c2pa") is None:
        return [Claim(KIND, MISSING)]
    store = read_store(file.data, MIME[file.contents.format])
    return [Claim(KIND, f"{UNREADABLE}: {store}.")] if isinstance(store, str) else _claims(store)


def read_store(data: bytes, mime: str) -> dict[str, Any] | str:
    """Return the manifest store of a file as the library reports it, or why that did not work."""
    command = [sys.executable, "-m", "core.images.provenance.credentials_process", mime]
    try:
        # each may take gigabytes, so one at a time
        with _ONE:
            # `-m` needs the repository root, wherever the server was started
            done = subprocess.run(  # noqa: S603
                command, cwd=ROOT, input=data, capture_output=True, timeout=SECONDS, check=False
            )
    except subprocess.TimeoutExpired:
        return f"reading them takes longer than {SECONDS} s"
    if done.returncode != 0 or len(done.stdout) > MAX_JSON:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return quoted(last[0]) if last and done.returncode == 2 else "they are damaged, or too large"
    try:
        found = json.loads(done.stdout)
    except (ValueError, RecursionError):
        return "they are damaged"
    return found if isinstance(found, dict) else "they are damaged"


def _claims(store: dict[str, Any]) -> list[Claim]:
    manifest = _at(_at(store, "manifests"), str(store.get("active_manifest")))
    claims = [Claim(KIND, _verdict(store, manifest), suggests="")]
    for says, suggests in _actions(manifest):
        claims.append(Claim(KIND, says, suggests=suggests))
    return claims


def _verdict(store: dict[str, Any], manifest: dict[str, Any]) -> str:
    """Say who signed, and whether the signature fits."""
    signature = _at(manifest, "signature_info")
    names = [value for key in ("common_name", "issuer") if isinstance(value := signature.get(key), str) and value]
    signer = quoted(", ".join(dict.fromkeys(names))) if names else "somebody who is not named"
    failures = _at(_at(store, "validation_results"), "activeManifest").get("failure")
    codes = [str(one.get("code")) for one in failures or [] if isinstance(one, dict)]
    wrong = [code for code in codes if code != UNTRUSTED]
    if wrong:
        why = next((FAULTS[code] for code in wrong if code in FAULTS), f"the check says {quoted(wrong[0])}")
        return f"Signed by {signer}, and the signature is not valid: {why}."
    if store.get("validation_state") == "Trusted":
        return f"Signed by {signer}; the signature fits the file, and the signer is trusted."
    if store.get("validation_state") == "Valid":
        return (
            f"Signed by {signer}; the signature fits the file. Whether the signer is who it says was not checked, "
            "because no list of trusted signers is asked."
        )
    return f"Signed by {signer}, and the signature is not valid."


def _actions(manifest: dict[str, Any]) -> list[tuple[str, Suggests]]:
    """Return what the active manifest says was done to the picture, each sentence once."""
    found: dict[str, Suggests] = {}
    for assertion in _list(manifest.get("assertions"))[:100]:
        if not str(assertion.get("label")).startswith("c2pa.actions"):
            continue
        for action in _list(_at(assertion, "data").get("actions"))[:50]:
            agent = action.get("softwareAgent")
            agent = agent.get("name") if isinstance(agent, dict) else agent
            by = f" with {quoted(agent)}" if isinstance(agent, str) and agent else ""
            code = str(action.get("digitalSourceType") or "")
            means, suggests = source_type(code)
            if not means and by and is_generator(str(agent)):
                suggests = "generated"
            what = str(action.get("action") or "").removeprefix("c2pa.")
            if what or means:
                found.setdefault(f"It says: {quoted(what or 'made')}{by}{f', {means}' if means else ''}.", suggests)
    generator = _list(manifest.get("claim_generator_info"))
    if generator and isinstance(name := generator[0].get("name"), str):
        found.setdefault(f"The claim was written by {quoted(name)}.", "")
    return list(found.items())[:10]


def _at(held: Any, name: str) -> dict[str, Any]:
    value = held.get(name) if isinstance(held, dict) else None
    return value if isinstance(value, dict) else {}


def _list(held: Any) -> list[dict[str, Any]]:
    return [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []
