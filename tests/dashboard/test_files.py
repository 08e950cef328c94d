"""Files that pages offer, apart from any page."""

import gc
from types import SimpleNamespace

import streamlit as st

from dashboard.components import component as files
from tests.shared import in_a_thread


def fetched(address):
    """The answer to a browser that asks for an address."""
    request = SimpleNamespace(path_params={"secret": address.rpartition("/")[2]})
    return in_a_thread(files.send(request))


def test_a_file_is_given_as_long_as_its_session_offers_it(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    first, other = (files.offer(key, key.encode, name='"\n.csv', mime="text/csv") for key in "ab")
    assert first != other
    assert files.offer("a", "new".encode, name="a.csv", mime="text/csv") == first
    assert fetched(first).body == b"new"
    assert fetched(other).body == b"b"
    assert fetched(other).headers["Content-Disposition"] == "attachment; filename*=UTF-8''%22%0A.csv"
    files.withdraw("a")
    assert [fetched(address).status_code for address in (first, other)] == [404, 200]
    st.session_state.clear()
    gc.collect()
    assert fetched(other).status_code == 404


def test_what_cannot_be_made_is_one_sentence_without_a_path(monkeypatch, tmp_path):
    monkeypatch.setattr(st, "session_state", {})
    address = files.offer("a", (tmp_path / "inner" / "lost.csv").read_bytes, name="a.csv", mime="text/csv")
    answer = fetched(address)
    assert answer.status_code == 409
    assert b"lost.csv" in answer.body
    assert str(tmp_path).encode() not in answer.body
