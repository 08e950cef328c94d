"""Who may name a path of the server, and what visitors are told of an error: the file, never its folders."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from dashboard import visitors
from dashboard.visitors import for_visitors, hide_parent

HOME = Path("/srv/Jane Doe's data/telltale")
BROWSER = {
    "Host": "localhost:8501", "Connection": "Upgrade", "Pragma": "no-cache", "Cache-Control": "no-cache",
    "User-Agent": "Mozilla/5.0", "Upgrade": "websocket", "Origin": "http://localhost:8501", "Cookie": "a=b",
    "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "a", "Sec-WebSocket-Extensions": "permessage-deflate",
    "Sec-WebSocket-Protocol": "streamlit, a", "Accept-Encoding": "gzip, deflate, br", "Accept-Language": "en",
    "Sec-Fetch-Mode": "websocket", "Sec-GPC": "1",
}  # fmt: skip
ADDED = ("X-Forwarded-For", "Via", "Authorization", "Anything")


@pytest.fixture
def local(monkeypatch):
    """A function that says whether a visitor with these headers counts as local."""

    def asked(headers, bound="localhost", visitor=None):
        context = SimpleNamespace(ip_address=visitor, headers=headers)
        monkeypatch.setattr(visitors, "st", SimpleNamespace(get_option={"server.address": bound}.get, context=context))
        return visitors.is_local()

    return asked


@pytest.mark.parametrize(
    "bound, visitor, headers, expected",
    [
        ("localhost", None, {}, True),
        ("localhost", None, BROWSER, True),
        ("127.0.0.1", "::1", BROWSER | {"Host": "[::1]:8501", "Origin": "http://[::1]:8501"}, True),
        ("localhost", "10.0.0.7", BROWSER, False),
        ("0.0.0.0", None, BROWSER, False),  # noqa: S104
        (None, None, BROWSER, False),
        # behind a proxy on the same machine all come from this machine
        ("localhost", None, BROWSER | {"Host": "telltale.example.org"}, False),
        ("localhost", None, BROWSER | {"Origin": "https://telltale.example.org"}, False),
        ("localhost", None, BROWSER | {"Origin": "null"}, False),
    ],
)
def test_a_path_is_asked_for_on_this_machine_only(local, bound, visitor, headers, expected):
    assert local(headers, bound, visitor) is expected


@pytest.mark.parametrize("header", ADDED)
def test_whatever_a_proxy_adds_nobody_behind_it_is_local(local, header):
    assert not local(BROWSER | {header: "x"})


def test_a_setting_says_it_of_everybody(local, monkeypatch):
    monkeypatch.setenv("TELLTALE_LOCAL", "no")
    assert not local(BROWSER)
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")
    assert local(BROWSER | {"Via": "x"}, "0.0.0.0", "10.0.0.7")  # noqa: S104
    monkeypatch.setenv("TELLTALE_LOCAL", "perhaps")
    assert local(BROWSER)
    assert not local(BROWSER | {"Via": "x"})


@pytest.mark.parametrize(
    "sentence, shown",
    [
        (f"{HOME}/runs/a@b/maps.npy is missing; restore it", "a@b/maps.npy is missing; restore it."),
        (f"{HOME}/detectors/a/manifest.json is no JSON.", "a/manifest.json is no JSON."),
        (f"{HOME}/data/cifake holds no image", "data/cifake holds no image."),
        ("/opt/elsewhere/x/weights.safetensors lacks fc.bias", "weights.safetensors lacks fc.bias."),
        ("[Errno 2] No such file: '/opt/else/y.npy'", "[Errno 2] No such file: 'y.npy'."),
        (r"C:\Users\jane\telltale\runs\y.npy is missing", "y.npy is missing."),
        ("data/x/../y and 3/4 of train/REAL", "data/x/../y and 3/4 of train/REAL."),
        ("The file is not an image (PNG, JPEG or WebP)", "The file is not an image (PNG, JPEG or WebP)."),
    ],
)
def test_folders_are_left_out(sentence, shown, caplog, monkeypatch):
    monkeypatch.setenv("TELLTALE_HOME", str(HOME))
    with caplog.at_level(logging.WARNING):
        assert for_visitors(ValueError(sentence)) == shown
    logged = [record.getMessage().rstrip(".") for record in caplog.records]
    assert logged == ([] if shown.rstrip(".") == sentence else [sentence.rstrip(".")])


def test_nothing_is_left_of_folders_in_folders_or_behind_links(monkeypatch, tmp_path):
    for data in (tmp_path / "Jane Doe" / "a", tmp_path / "Jane Doe" / "My Pictures" / "b"):
        hide_parent(data)
        assert for_visitors(f"{data} is odd; use another..") == f"{data.name} is odd; use another."
    # no path, and no folder to leave out
    for odd in ("github", "\0", "~nobody/x", "/x"):
        hide_parent(odd)
    assert for_visitors("a/b is 3/4") == "a/b is 3/4."
    place = tmp_path / "of John Doe"
    place.mkdir()
    link = tmp_path / "home of Jane"
    link.symlink_to(place)
    monkeypatch.setenv("TELLTALE_HOME", str(link))
    for home in (link, place):
        assert for_visitors(f"{home}/runs/a@b/maps.npy is missing") == "a@b/maps.npy is missing."
