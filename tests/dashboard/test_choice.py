"""Methods side by side: a method of a test's own is offered, set, drawn and compared without another line."""

from core.explainers.registry import registered
from dashboard.components.keys import key_of
from tests.core.explainers.toy import BRIGHT
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import settled, words


def test_a_new_method_is_offered_set_drawn_and_compared(open_page: Open) -> None:
    with registered(BRIGHT):
        app = settled(open_page("inspect", run="tiny@seen-test", methods="gradcam,bright", **{"bright.grey": "100"}))
        assert not app.exception
        chosen = app.multiselect(key="methods.chosen")
        assert BRIGHT.title in chosen.options
        assert chosen.value == ["gradcam", "bright"]
        [grey] = [one for one in app.number_input if one.label == "Middle grey"]
        assert grey.value == 100
        drawn = {one.proto.id.rpartition("-")[2] for one in app.get("bidi_component")}
        assert f"{key_of('bright', 'tiny')}.picture" in drawn
        # both maps are compared
        assert "Rank correlation" in words(app)
        assert f"{key_of('bright', 'tiny')}.files.npz" in {one.key for one in app.get("download_button")}
    app = open_page("inspect", run="tiny@seen-test", methods="gradcam,bright")
    assert BRIGHT.title not in app.multiselect(key="methods.chosen").options
