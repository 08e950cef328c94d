"""The sidebar: the run picker, and the source of its pictures."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import streamlit as st

from core.console import one_direction
from core.detectors.manifest import OLD_SIDE
from core.images.image_set import DataPath, Split
from core.storage import ContractError, read_manifest
from dashboard import catalogue, datasets, library, state
from dashboard.components.glossary import explain
from dashboard.components.plain import plain, with_code
from dashboard.components.requests import poll
from dashboard.components.words import remaining
from dashboard.state import SHOWS_PIXELS
from dashboard.visitors import for_visitors, is_local

UNUSABLE = " (cannot be opened)"
ON_SAMPLE = "@sample-test"


def draw_sidebar(page: str) -> None:
    """Draw the run picker and the state of the run's pictures, beside the page of this title."""
    found, refused = list(catalogue.runs()), catalogue.refused_runs()
    asked = st.query_params.get("run")
    st.session_state["run"] = library.choose_run()
    if asked and found and asked not in found:
        # from here on the address names the run that is shown
        st.session_state["run.other"] = st.session_state["run"], page
    with st.sidebar:
        if found:
            st.session_state["url.run"] = st.session_state["run"]
            st.selectbox(
                "Run",
                found,
                format_func=lambda name: run_label(name) + (UNUSABLE if name in refused else ""),
                key="url.run",
                on_change=_take_run,
                help=explain("Run"),
            )
            state.put("run", st.session_state["run"])
            if st.session_state["run"].endswith(ON_SAMPLE):
                st.caption("Crops of a few photographs, and a small generator's redrawings of them; not CIFAKE.")
        if refused:
            _draw_refused(refused)
        status = datasets.registry().status
        reading = status.state == "reading"
        if not reading and "pictures" in st.session_state:
            # the page is drawn after this, with the pictures that are there now
            st.session_state["pictures"] = status
        _draw_pixels_switch()
        poll(_draw_pictures, busy=reading)


def _draw_pixels_switch() -> None:
    """Draw the switch that shows the pixels of all pictures; it holds on every page and stands in the address."""
    if (wanted := st.query_params.get(SHOWS_PIXELS)) is not None:
        st.session_state[SHOWS_PIXELS] = wanted == "on"
    st.toggle(
        "Show pixels", key=SHOWS_PIXELS, on_change=_store_pixels, help="Draw pixels as squares, not smoothly enlarged."
    )
    _store_pixels()


def _store_pixels() -> None:
    """Write the switch to the address."""
    state.put(SHOWS_PIXELS, "on" if st.session_state[SHOWS_PIXELS] else None)


def _draw_refused(refused: Mapping[str, str]) -> None:
    """Draw the problem of each run that cannot be opened."""
    with st.expander(
        f"{len(refused)} {'run' if len(refused) == 1 else 'runs'} cannot be opened", icon=":material/error:"
    ):
        for sentence in refused.values():
            st.caption(with_code(sentence))


def run_label(name: str) -> str:
    """Write `<detector>@<set>` in words; the sample gallery, and a folder of another name, go by their names."""
    detector, at, images = map(one_direction, name.partition("@"))
    if not at:
        return detector
    return f"{detector} on {'the sample gallery' if name.endswith(ON_SAMPLE) else images}"


def note_other_run(page: str) -> None:
    """Say, only on the page that was opened, that its URL names a run that is not here."""
    run = st.session_state["run"]
    if st.session_state.get("run.other") != (run, page):
        st.session_state.pop("run.other", None)
        return
    st.info(
        f"The run in this address is not here; showing {plain(run.replace('@', ' on '))}.", icon=":material/link_off:"
    )


def _take_run() -> None:
    """Switch to the chosen run; the other URL parameters stay only if it has the same images."""
    before, now = st.session_state["run"], st.session_state["url.run"]
    kept = st.query_params.to_dict() if _images_of(before) == _images_of(now) else {}
    if kept.get("versus") == now:
        # the two that are compared change places
        kept["versus"] = before
    state.replace_all(kept | {"run": now})


def _images_of(name: str) -> object:
    """The fingerprint of a run's images, the run's own name where it cannot be read."""
    try:
        return read_manifest(catalogue.runs()[name], "run").get("set_fingerprint", name)
    except (ContractError, KeyError):
        return name


def _draw_pictures() -> bool:
    """Draw the state of the pictures; return whether some are being read."""
    registry = datasets.registry()
    if "pictures" in st.session_state:
        # the browser has come back, so the first page is drawn and reading no longer delays it
        registry.begin()
    status = registry.status
    if st.session_state.setdefault("pictures", status) != status and status.state != "reading":
        # the page was drawn without these pictures
        st.session_state["pictures"] = status
        st.rerun()
    if status.state == "reading":
        # so that the final status counts as a change, even if the last reading ended alike
        st.session_state["pictures"] = status
        left = f", {remaining(status.seconds_left)}" if status.seconds_left is not None else ""
        st.progress(status.share, f"{status.doing}{left}")
        if is_local():
            st.button("Stop", key="attach.stop", on_click=registry.stop, type="tertiary")
        return True
    if (opened := _shown_run()) is not None:
        found, total = library.pictures(opened).found, len(opened.run)
        st.caption(
            "All its pictures are available." if found == total else f"{found:,} of {total:,} pictures are available."
        )
    if is_local():
        _draw_attaching()
    if status.state == "failed":
        sentence = with_code(for_visitors(status.message, homes=catalogue.homes()))
        is_shown = not status.is_private or is_local()
        st.error(sentence if is_shown else "An image set could not be read; the server's log says why.")
    return False


def _draw_attaching() -> None:
    """Draw the fields by which a set of pictures on this computer is attached."""
    with st.expander("Attach images", icon=":material/attach_file:"):
        more = "The images of this run: a folder, .zip, .tar, .csv or .parquet. They are matched by hash."
        st.text_input(
            "Folder, archive or table on this computer",
            key="attach.path",
            placeholder="path to CIFAKE, or to your own images",
            help=explain("CIFAKE", "Hash", also=more),
        )
        st.text_input(
            "Classes that are FAKE",
            key="attach.fake",
            placeholder="only where folders or labels do not say it",
            help="Names of folders or labels with commas between them, for instance: biggan,midjourney",
        )
        with st.container(horizontal=True):
            st.button("Attach", key="attach.go", on_click=_attach_path)
            st.button(
                "From GitHub",
                key="attach.github",
                on_click=fetch_cifake,
                type="tertiary",
                help="Downloads all 120,000 images from the repository of CIFAKE's authors (43 MB, no account).",
            )


def fetch_cifake() -> None:
    """Start downloading and reading CIFAKE; the sidebar shows the progress."""
    opened = _shown_run()
    # every training image enlarged would take gigabytes
    whole = opened is None or opened.run.preprocessing is None or opened.run.preprocessing.size == OLD_SIDE
    _attach("github", ("test", "train") if whole else datasets.needed_splits())


def _attach_path() -> None:
    if path := st.session_state["attach.path"].strip():
        _attach(DataPath(path, st.session_state["attach.fake"].split(",")), datasets.needed_splits())


def _attach(data: str, splits: Sequence[Split]) -> None:
    """Begin to read a set, made to fit the run on the page."""
    opened = _shown_run()
    datasets.registry().attach(data, splits, fit=None if opened is None else opened.run.preprocessing)


def _shown_run() -> library.Opened | None:
    """Open the run on the page; None where that is impossible, which the page reports."""
    path = catalogue.runs().get(st.session_state.get("run", ""))
    with suppress(ContractError):
        return library.open_run(path) if path else None
    return None
