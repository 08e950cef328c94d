"""What the settings promise to whoever hosts the dashboard, each asked of the real server in which one page fails."""

import asyncio
import contextlib
import http.client
import io
import json
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pandas as pd
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.NewSession_pb2 import Config
from websockets.exceptions import InvalidStatus

from core.homes import ROOT
from dashboard import visitors
from dashboard.components.uploads import MAX_UPLOAD
from dashboard.visitors import BURST, BYTES, ENTRIES, MAX_ENTRIES, MAX_NAME, MAX_NAMES, RATE
from tests.server import running_server
from tests.shared import in_a_thread
from tests.visitor import Visitor, ask_http, open_socket, xsrf_token

INSIDE = "what only the log may hold"
BROWSED = ("", "mistakes", "reads", "detectors")
ELSEWHERE = "http://elsewhere.example"
WEBSOCKET = {"type": "websocket", "headers": []}


@pytest.fixture(scope="module")
def server(made_home, tmp_path_factory):
    """The address of the app with the project's own settings, and one page more, which fails."""
    folder = tmp_path_factory.mktemp("hosted")
    for name in ("dashboard", ".streamlit"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "dashboard" / "views" / "fail.py").write_text(f"raise RuntimeError({INSIDE!r})\n")
    navigation = folder / "dashboard" / "state.py"
    entry = '    "fail": Page("Fail", "error", "Fails."),\n'
    navigation.write_text(navigation.read_text().replace('    "help":', f'{entry}    "help":'))
    with running_server(made_home, folder / "cache", folder=folder) as (address, _):
        yield address


def told(address, *pages):
    """A visitor who has looked at some pages, and everything that the server sent."""

    async def look():
        messages = []
        async with Visitor(address) as visitor:
            visitor.on_message = messages.append
            for page in pages:
                await visitor.open(page, run="tiny@seen-test")
            # a page whose pictures are being read is drawn once more
            await visitor.still(1.0, 30.0)
        return visitor, messages

    return in_a_thread(look())


def refusal(address, **options):
    """The status with which a connection is refused; 101 where it is not."""

    async def knock():
        try:
            async with open_socket(address, **options):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    return in_a_thread(knock())


def test_nothing_is_reported_and_nothing_of_the_disk_is_told(server, made_home):
    visitor, messages = told(server, *BROWSED)
    assert not visitor.troubles
    sessions = [message.new_session for message in messages if message.HasField("new_session")]
    # a page whose answers have come is drawn once more
    assert len(sessions) >= len(BROWSED)
    folders = {str(Path(session.main_script_path).parents[1]) for session in sessions}
    for session in sessions:
        assert not session.config.gather_usage_stats
        assert session.config.toolbar_mode == Config.MINIMAL
        assert session.config.show_error_links == Config.SHOW_ERROR_LINKS_FALSE
        assert not session.initialize.recommend_skills_install
        # the one place that Streamlit has no setting for: the README says what to do
        session.main_script_path = ""
    sent = b"".join(message.SerializeToString() for message in messages)
    for folder in {*folders, str(made_home), str(Path.home())}:
        assert folder.encode() not in sent


def test_a_page_that_fails_tells_nothing(server):
    visitor, messages = told(server, "fail")
    (element,) = [element for element, _ in visitor.elements.values() if element.HasField("exception")]
    assert not element.exception.type
    assert not element.exception.stack_trace
    sent = b"".join(message.SerializeToString() for message in messages)
    assert INSIDE.encode() not in sent
    assert b"fail.py" not in sent


def test_uploads_need_the_token_and_a_size(server):
    async def upload():
        token = xsrf_token(server)
        assert token
        async with Visitor(server) as visitor:
            await visitor.open("")
            path = f"/_stcore/upload_file/{visitor.session}/a"
            pairs = (("", token), (token, ""), (token[:-1] + "x", token), (token, token))
            statuses = [put(server, path, 3, token=sent, cookie=cookie) for sent, cookie in pairs]
            # what a browser would be told before it sends, and what is found out while it is sent
            statuses.append(put(server, path, 0, token=token, cookie=token, said=MAX_UPLOAD + 1))
            statuses.append(put(server, path, MAX_UPLOAD + (1 << 20), token=token, cookie=token))
        return statuses

    assert in_a_thread(upload()) == [403, 403, 403, 204, 413, 413]


def put(address, path, size, *, token, cookie, said=None):
    """Send a file of so many bytes, with a length that is said of it all before or none; the status."""
    head = b'--border\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    chunks = (head, *(bytes(1 << 16) for _ in range(size >> 16)), bytes(size % (1 << 16)), b"\r\n--border--\r\n")
    headers = {"X-Xsrftoken": token, "Cookie": f"_streamlit_xsrf={cookie}"}
    headers |= {"Content-Type": "multipart/form-data; boundary=border"}
    headers |= {} if said is None else {"Content-Length": str(said)}
    link = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    # the server hangs up in the middle
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link.request("PUT", path, body=filter(None, chunks), headers=headers, encode_chunked=said is None)
    status = link.getresponse().status
    link.close()
    return status


def test_other_pages_and_other_names_are_refused(server):
    port = urlsplit(server).port
    assert refusal(server) == 101
    assert refusal(server, origin=ELSEWHERE) == 403
    # a name of somebody else's that leads to this machine
    assert refusal(f"{ELSEWHERE}:{port}", host="localhost", port=port) == 403
    headers = ask_http(server, "GET", "/_stcore/health", headers={"Origin": ELSEWHERE})[1]
    assert headers["Access-Control-Allow-Origin"] is None


def test_it_listens_to_this_machine_only(server):
    with pytest.raises(OSError, match="refused|timed out|assign"):
        socket.create_connection(("127.0.0.2", urlsplit(server).port), timeout=5)


def test_every_answer_forbids_framing(server):
    for path in ("/", "/upload", "/_stcore/health", "/_stcore/host-config", "/nowhere/at/all.js"):
        headers = ask_http(server, "GET", path)[1]
        assert {name: headers[name] for name in visitors.HEADERS} == visitors.HEADERS
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert json.loads(ask_http(server, "GET", "/_stcore/host-config")[2])["allowedOrigins"] == []


def largest(*, more=0):
    """Messages with as much in them as a browser may send, or more."""
    names = BackMsg()
    states = BackMsg()
    values = BackMsg()
    fragment = BackMsg()
    number = BackMsg()
    names.file_urls_request.file_names.extend([""] * (MAX_NAMES + more))
    for _ in range(MAX_ENTRIES + more):
        states.rerun_script.widget_states.widgets.add()
    values.rerun_script.widget_states.widgets.add().int_array_value.data.extend([1] * (MAX_ENTRIES - 1 + more))
    fragment.rerun_script.fragment_id = "f" * (MAX_NAME + more)
    number.backend_operation_request.request_id = "r" * (MAX_NAME + more)
    return [message.SerializeToString() for message in (names, states, values, fragment, number)]


def test_what_a_browser_may_send_is_read_and_nothing_beyond(monkeypatch):
    size = 1 << 20
    monkeypatch.setattr(visitors.st, "get_option", {"server.maxWidgetStateSize": 1}.get)
    head = BackMsg()
    head.rerun_script.query_string = "q" * size
    spare = len(head.SerializeToString()) - size
    whole = [BackMsg(), BackMsg()]
    for message, length in zip(whole, (size - spare, size - spare + 1), strict=True):
        message.rerun_script.query_string = "q" * length
    fits, beyond = (message.SerializeToString() for message in whole)
    assert len(fits) == size
    assert len(beyond) == size + 1
    assert [visitors.parse(data) for data in (*largest(more=1), b"broken", b"", beyond)] == [None] * 8
    for data in (*largest(), fits, BackMsg(app_heartbeat=True).SerializeToString()):
        assert visitors.parse(data).SerializeToString() == data


def received(**changes):
    """What a browser that sends this is received with."""
    return {"type": "websocket.receive", "bytes": BackMsg(**changes).SerializeToString()}


def served_by_guard(scope, *messages):
    """What an app behind the guard is asked with and receives of these messages, and what is sent."""
    asked = []
    sent = []
    coming = iter(messages)

    async def serve(scope, receive, _send):
        asked.append((scope, await receive()))

    async def receive():
        return next(coming)

    async def send(message):
        sent.append(message)

    in_a_thread(visitors.Guard(serve)(scope, receive, send))
    return asked, sent


def test_a_request_from_elsewhere_is_answered_as_nobodys():
    others = [(b"host", b"here.org"), (b"x", b"origin")]
    scope = {"type": "http", "path": "/a"}
    message = {"type": "http.request", "body": b"asked"}
    asked, _ = served_by_guard(scope | {"headers": [*others, (b"origin", b"https://elsewhere.org")]}, message)
    assert asked == [(scope | {"headers": others}, message)]


@pytest.mark.parametrize("states, letters, costs", [(0, 0, 1), (2 * ENTRIES + 1, 9, 3), (0, 2 * BYTES + 1, 3)])
def test_messages_beyond_a_pace_wait(monkeypatch, states, letters, costs):
    request = BackMsg(app_heartbeat=True)
    arrived = []
    waited = []
    clock = [1000.0]
    for _ in range(states):
        request.rerun_script.widget_states.widgets.add()
    if letters:
        request.rerun_script.query_string = "q" * letters

    async def serve(_scope, receive, _send):
        while len(waited) < 3 and len(arrived) < 2 * BURST:
            arrived.append(await receive())

    async def receive():
        return {"type": "websocket.receive", "bytes": request.SerializeToString()}

    async def sleep(seconds):
        waited.extend([seconds] if seconds else [])
        clock[0] += seconds

    monkeypatch.setattr(visitors, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(visitors, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    in_a_thread(visitors.Guard(serve)(WEBSOCKET, receive, receive))
    assert len(arrived) == BURST // costs + 3
    assert waited == [pytest.approx(costs / RATE)] * 3


def test_what_a_script_has_left_to_send_goes_before_the_next_message():
    """Streamlit forgets it where that message begins another script; the page would never be whole."""
    order = []

    async def serve(_scope, receive, _send):
        order.append((await receive())["type"])

    async def receive():
        asyncio.get_running_loop().call_soon_threadsafe(order.append, "finished")
        return received(app_heartbeat=True)

    in_a_thread(visitors.Guard(serve)(WEBSOCKET, receive, receive))
    assert order == ["finished", "websocket.receive"]


@pytest.mark.parametrize(
    "origin, own",
    [
        (None, True), ("https://here.org", True), ("https://here.org:8501", False), ("https://elsewhere.org", False),
        ("http://localhost:8501", True), ("http://127.0.0.1:1", True), ("http://0.0.0.0:1", True),
        ("https://named.org", True), ("https://partner.org", True),
    ],
)  # fmt: skip
def test_another_site_opens_no_connection(monkeypatch, origin, own):
    options = {"browser.serverAddress": "named.org", "server.corsAllowedOrigins": ["https://partner.org"]}
    monkeypatch.setattr(visitors.st, "get_option", (options | {"server.maxWidgetStateSize": 1}).get)
    headers = [(b"host", b"here.org"), *([] if origin is None else [(b"origin", origin.encode())])]
    # what no browser sends ends a connection
    for message in (received(), {"type": "websocket.receive", "text": "text"}):
        served, sent = served_by_guard(WEBSOCKET | {"headers": headers}, message)
        assert [told for _, told in served] == [{"type": "websocket.disconnect", "code": 1009}] * own
        assert [(end["type"], end["code"]) for end in sent] == [("websocket.close", 1009 if own else 1008)]


@pytest.mark.parametrize(
    "certificate, base, address",
    [(None, "/here/", "http://localhost:8501/here"), ("own.pem", None, "https://localhost:8501/")],
)
def test_its_own_address_is_the_one_that_it_serves(monkeypatch, certificate, base, address):
    options = {"server.sslCertFile": certificate, "server.baseUrlPath": base, "server.port": 8501}
    monkeypatch.setattr(visitors.st, "get_option", options.get)
    assert visitors.own_address() == address


def test_what_only_a_developer_asks_for_does_not_reach_the_app():
    end = {"type": "websocket.disconnect"}
    assert served_by_guard(WEBSOCKET, received(clear_cache=True), end) == ([(WEBSOCKET, end)], [])


def test_the_address_of_a_file_stays_good_whoever_draws_pages(server):
    async def look():
        async with Visitor(server) as visitor, Visitor(server) as other:
            await visitor.open("mistakes", run="tiny@seen-test")
            drawn = dict(visitor.elements)
            for _ in range(3):
                await other.open("detectors", run="tiny@seen-test")
                await visitor.open("mistakes", run="tiny@seen-test", said="FAKE")
            visitor.elements = drawn
            file = await visitor.download("mistakes.csv")
            return file, ask_http(server, "GET", "/files/guessed")[0], visitor.troubles

    file, status, troubles = in_a_thread(look())
    assert status == 404
    assert troubles == []
    # what is given is what the page shows now
    assert set(pd.read_csv(io.BytesIO(file))["predicted"]) == {"FAKE"}
