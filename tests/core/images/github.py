"""A server on this machine that plays the one CIFAKE is fetched from, as badly as it is told to."""

import http.server
import io
import tarfile
import threading
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from core.images import cifake as module
from core.images.loading import load_image_set

# what GitHub calls the folder in an archive of a commit, and the repository's own folder in it
TOP = "CIFAKE-Real-and-AI-Generated-Synthetic-Images-e112a942/DATASET/"


def files_of(folder):
    """name -> content of the images in a folder like CIFAKE's."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.jpg"))}


def tar_gz(files):
    """An archive as GitHub packs it, with files beside the images."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", pax_headers={"comment": "e112a942"}) as tar:
        for name, data in {"../README.md": b"# CIFAKE", **files}.items():
            info = tarfile.TarInfo(TOP + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files):
    """The same as a .zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(TOP + name, data)
    return buffer.getvalue()


@dataclass
class Server:
    """What is served, and how.

    Attributes:
        body: of the answer.
        cut: bytes after which the answer is cut off; None where it is complete.
        sized: whether it says how much comes; GitHub does not.
        status: of the answer.
        requests: how many there were.
    """

    body: bytes
    cut: int | None = None
    sized: bool = True
    status: int = 200
    requests: int = 0

    @contextmanager
    def running(self):
        """Serve on a free port of this machine; yields the address."""
        given = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                given.answer(self)

            def log_message(self, format, *args):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/tar.gz/e112a942"
            finally:
                server.shutdown()
                thread.join()

    def answer(self, to):
        """Answer one request, then hang up."""
        to.close_connection = True
        self.requests += 1
        to.send_response(self.status)
        to.send_header(*(("Content-Length", str(len(self.body))) if self.sized else ("Transfer-Encoding", "chunked")))
        to.send_header("Connection", "close")
        to.end_headers()
        sent = self.body[: self.cut]
        to.wfile.write(sent if self.sized else b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent))


@pytest.fixture
def serve(cifake, monkeypatch):
    """A function that starts a server of the images in `cifake`, whose fingerprints are the ones expected."""
    fingerprints = {split: load_image_set(cifake, split).fingerprint for split in ("test", "train")}
    monkeypatch.setattr(module, "FINGERPRINTS", fingerprints)
    with ExitStack() as running:

        def start(body=None, **settings):
            server = Server(tar_gz(files_of(cifake)) if body is None else body, **settings)
            monkeypatch.setenv(module.ADDRESS, running.enter_context(server.running()))
            return server

        yield start
