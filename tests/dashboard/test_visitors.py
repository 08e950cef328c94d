"""Who may name a path of the server: nobody behind a proxy, whatever that sends."""

from types import SimpleNamespace

import pytest

from dashboard import visitors

BROWSER = {
    "Host": "localhost:8501", "Connection": "Upgrade", "Pragma": "no-cache", "Cache-Control": "no-cache",
    "User-Agent": "Mozilla/5.0", "Upgrade": "websocket", "Origin": "http://localhost:8501", "Cookie": "a=b",
    "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "a", "Sec-WebSocket-Extensions": "permessage-deflate",
    "Sec-WebSocket-Protocol": "streamlit, a", "Accept-Encoding": "gzip, deflate, br", "Accept-Language": "en",
    "Sec-Fetch-Mode": "websocket", "Sec-GPC": "1",
}  # fmt: skip
ADDED = (
    "X-Forwarded-For", "X-Real-IP", "Via", "Forwarded", "X-Forwarded-Host", "X-Client-IP", "True-Client-IP",
    "CF-Connecting-IP", "X-Request-Id", "X-Envoy-Expected-Rq-Timeout-Ms", "X-Amzn-Trace-Id", "Authorization",
    "Remote-User", "X-Auth-Request-User", "Traceparent", "X-Accel-Internal", "Tailscale-User-Login", "Anything",
)  # fmt: skip


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch):
    """A function that says whether a visitor with these headers counts as local."""

    def asked(headers: dict[str, str], bound: str | None = "localhost", visitor: str | None = None) -> bool:
        context = SimpleNamespace(ip_address=visitor, headers=headers)
        monkeypatch.setattr(visitors, "st", SimpleNamespace(get_option=lambda _name: bound, context=context))
        return visitors.is_local()

    return asked


@pytest.mark.parametrize(
    ("bound", "visitor", "headers", "expected"),
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
def test_a_path_is_asked_for_on_this_machine_only(
    local, bound: str | None, visitor: str | None, headers: dict[str, str], expected: bool
) -> None:
    assert local(headers, bound, visitor) is expected


@pytest.mark.parametrize("header", ADDED)
def test_whatever_a_proxy_adds_nobody_behind_it_is_local(local, header: str) -> None:
    assert not local(BROWSER | {header: "x"})


def test_a_setting_says_it_of_everybody(local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_LOCAL", "no")
    assert not local(BROWSER)
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")
    assert local(BROWSER | {"Via": "x"}, "0.0.0.0", "10.0.0.7")  # noqa: S104
    monkeypatch.setenv("TELLTALE_LOCAL", "perhaps")
    assert local(BROWSER)
    assert not local(BROWSER | {"Via": "x"})
