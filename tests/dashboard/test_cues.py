"""The cues of an image set on the page Data: what it says without the study, with it, and with a damaged one."""

from pathlib import Path

from core.runs.run import read_run
from tests.core.studies.test_cues import made
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import words

RUN = "tiny@seen-test"


def test_the_study_is_offered_shown_and_refused(home: Path, open_page: Open) -> None:
    app = open_page("data", run=RUN)
    assert "python -m core.studies.cues --data DATA" in words(app)
    fingerprint = read_run(home / "runs" / RUN).manifest["set_fingerprint"]
    path = home / "cues" / "seen-test.parquet"
    made(path, fingerprint)
    text = words(app.run())
    assert not app.exception
    assert "python -m core.studies.cues" not in text
    assert "Trained on 9 images of made-train" in text
    path.write_bytes(b"nothing")
    assert "no readable study of cues" in words(app.run())
    assert not app.exception
    # of another image set nothing is said here
    made(path, "another")
    assert "python -m core.studies.cues --data DATA" in words(app.run())
