"""No page that frames the dashboard gets hold of what a visitor uploads."""

from urllib.parse import urlsplit

import numpy as np
import pytest

from core.images.encoding import encode_png

pytestmark = pytest.mark.browser
FRAMING = "https://evil.streamlit.app"
MESSAGE = {"stCommVersion": 1, "type": "SET_FILE_UPLOAD_CLIENT_CONFIG", "prefix": f"{FRAMING}/taken", "headers": {}}


def frame(page, address):
    html = f'<iframe src="{address}/try_picture" width="1200" height="900"></iframe>'
    page.route(f"{FRAMING}/**", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(FRAMING)


def test_uploads_stay_here_even_where_a_browser_frames_it(page, address):
    def without_headers(route):
        answer = route.fetch()
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("content-security-policy", "x-frame-options")
        }
        route.fulfill(response=answer, headers=kept)

    page.route(f"{address}/try_picture", without_headers)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    frame(page, address)
    inside = page.frame_locator("iframe")
    chooser = inside.locator("input[type=file]")
    chooser.wait_for(state="attached", timeout=120_000)
    page.evaluate("message => document.querySelector('iframe').contentWindow.postMessage(message, '*')", MESSAGE)
    page.wait_for_timeout(500)
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": encode_png(np.zeros((32, 32, 3), np.uint8))}
    chooser.set_input_files(picture)
    for _ in range(100):
        if sent:
            break
        page.wait_for_timeout(100)
    assert [urlsplit(url).netloc for url in sent] == [urlsplit(address).netloc]
