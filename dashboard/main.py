"""What visitors see on every page: the navigation, the run picker, the source of its pictures. `app.py` serves it."""

from contextlib import suppress
from operator import attrgetter
from pathlib import Path

import streamlit as st

from core.storage.atomic import read_manifest
from core.storage.limits import ContractError
from dashboard import catalogue, library, state
from dashboard.components.requests import poll
from dashboard.components.words import explain, plain, with_code
from dashboard.visitors import for_visitors, is_local

HERE = Path(__file__).parent


def draw_sidebar(*, chooses_run: bool) -> None:
    """Draw the run picker, unless the page chooses a detector instead, and the state of the run's pictures."""
    found = list(catalogue.runs())
    asked = st.query_params.get("run")
    run = st.session_state["run"] = library.choose_run()
    if asked and found and asked not in found:
        shown = plain(run.replace("@", " on "))
        st.toast(f"The run in this address is not here; showing {shown}.", icon=":material/link_off:", duration="long")
    with st.sidebar:
        if found:
            state.put("run", run)
        if found and chooses_run:
            st.session_state["url.run"] = run
            st.selectbox(
                "Run", found, format_func=catalogue.run_label, key="url.run", on_change=take_run, help=explain("Run")
            )
            if run.endswith(catalogue.ON_SAMPLE):
                st.caption("Crops of a few photographs, and a small generator's redrawings of them; not CIFAKE.")
        # it holds on every page
        st.session_state.setdefault(state.SHOWS_PIXELS, st.query_params.get(state.SHOWS_PIXELS) == "on")
        st.toggle("Show pixels", key=state.SHOWS_PIXELS, help="Draw pixels as squares, not smoothly enlarged.")
        state.put(state.SHOWS_PIXELS, "on" if st.session_state[state.SHOWS_PIXELS] else None)
        poll(catalogue.registry, draw_pictures, attrgetter("status.busy"))


def take_run() -> None:
    """Switch to the chosen run; the other URL parameters stay only where it has the same images."""
    before = st.session_state["run"]
    now = st.session_state["url.run"]
    kept = dict[str, str]()
    with suppress(ContractError, KeyError):
        first, second = (read_manifest(catalogue.runs()[name], "run")["set_fingerprint"] for name in (before, now))
        kept = st.query_params.to_dict() if first == second else {}
    if kept.get("versus") == now:
        # the two that are compared change places
        kept["versus"] = before
    state.replace_all(kept | {"run": now})


def draw_pictures(registry: catalogue.DatasetRegistry) -> None:
    """Draw the state of the pictures."""
    status = registry.status
    if st.session_state.get("pictures"):
        # the browser has come back, so the first page is drawn and reading no longer delays it
        registry.begin()
    st.session_state["pictures"] = True
    if status.busy:
        st.progress(status.share, "Reading pictures, in the background")
        if is_local():
            st.button("Not now", key="attach.stop", on_click=registry.stop, type="tertiary")
        return
    opened = shown_run()
    if opened is not None:
        found = library.pictures(opened).found
        total = len(opened.run)
        place = registry.recall(opened.run.manifest["set_fingerprint"]) if found < total else None
        if place is not None:
            attach(place)
            return
        share = "All" if found == total else f"{found:,} of {total:,}"
        st.caption(f"{share} pictures are here.")
    if is_local():
        draw_attaching()
    if status.state == "failed":
        sentence = with_code(for_visitors(status.message))
        st.error(sentence if is_local() else "An image set could not be read; the server's log says why.")


def draw_attaching() -> None:
    """Draw the fields by which a set of pictures on this computer is attached."""
    with st.expander("Attach images", icon=":material/attach_file:"):
        more = "The images of this run: a folder, .zip, .tar, .csv or .parquet. They are matched by hash."
        st.text_input(
            "Folder, archive or table on this computer",
            key="attach.path",
            placeholder="path to CIFAKE, or to your own images",
            help=explain("CIFAKE", "Hash", also=more),
        )
        with st.container(horizontal=True):
            st.button("Attach", key="attach.go", on_click=attach_path)
            st.button(
                "From GitHub",
                key="attach.github",
                on_click=attach,
                args=("github",),
                type="tertiary",
                help="Downloads all 120,000 images from the repository of CIFAKE's authors (43 MB, no account).",
            )


def attach_path() -> None:
    path = st.session_state["attach.path"].strip()
    if path:
        attach(path)


def attach(data: str) -> None:
    """Begin to read the split of a set that the run on the page is of, made to fit it."""
    opened = shown_run()
    if opened is None:
        catalogue.registry().attach(data)
    else:
        catalogue.registry().attach(data, opened.run.split, fit=opened.run.preprocessing)


def shown_run() -> library.Opened | None:
    """Open the run on the page; None where that is impossible, which the page reports."""
    path = catalogue.runs().get(st.session_state.get("run", ""))
    with suppress(ContractError):
        return library.open_run(path) if path else None
    return None


st.set_page_config(page_title="Telltale", page_icon=str(HERE / "icon.svg"), layout="wide")

text = "#e6e9ee" if st.context.theme.type == "dark" else "#1b1f27"
st.logo((HERE / "logo.svg").read_text("utf-8").format(text=text), size="large")

page = st.navigation(state.pages())
# the page first: it tells tabs and history apart, and a screen reader what has changed
st.set_page_config(page_title=f"{page.title} - Telltale")
is_trying = page.title == "Try a picture"
if not is_trying:
    # what was made of uploads goes when their page is left; its uploader comes back empty
    for key in [str(key) for key in st.session_state if str(key).startswith("upload.")]:
        del st.session_state[key]
state.follow_former_names()
# there a detector is chosen, on the page
draw_sidebar(chooses_run=not is_trying)
page.run()
