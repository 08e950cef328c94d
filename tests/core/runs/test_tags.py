"""Tags and notes: kept, found, taken away, exported, and safe with many writers and a broken file."""

import pytest

from core.runs.tags import MAX_TAG, TagError, Tags


@pytest.fixture
def tags(tmp_path):
    return Tags(tmp_path / "folder" / "tags.sqlite")


def test_tags_and_notes_survive_and_come_off(tags):
    tags.add(["a", "b"], " odd ")
    tags.add(["a"], "odd")
    tags.add(["a"], "it's")
    tags.note("c", "a note; with\nlines")
    again = Tags(tags.path)
    assert again.names() == ["it's", "odd"]
    assert again.ids("odd") == {"a", "b"}
    assert again.of(["a", "z"]) == {"a": ["it's", "odd"]}
    frame = again.frame()
    assert frame.to_dict("list") == {
        "id": ["a", "b", "c"],
        "tags": ["it's;odd", "odd", ""],
        "note": ["", "", "a note; with\nlines"],
    }
    again.remove(["a"], "odd")
    again.note("c", " ")
    assert again.ids("odd") == {"b"}
    assert again.note_of("c") == ""


def test_a_broken_file_is_one_sentence(tags):
    tags.path.parent.mkdir()
    tags.path.write_bytes(b"this is no database at all" * 100)
    before = tags.path.read_bytes()
    assert tags.names() == []
    assert "tags.sqlite cannot be used" in tags.problem
    with pytest.raises(TagError, match=r"tags\.sqlite cannot be used"):
        tags.frame()
    with pytest.raises(TagError, match=r"tags\.sqlite cannot be used"):
        tags.add(["a"], "t")
    assert tags.path.read_bytes() == before


def test_what_cannot_be_tagged_or_untagged_is_a_sentence(tags, monkeypatch):
    monkeypatch.setattr("core.runs.tags.MAX_TAGS", 1)
    tags.add(["a"], "odd")
    for tag in ("   ", "a,b", "a;b", "x" * (MAX_TAG + 1), "a\nb"):
        with pytest.raises(TagError, match="1 to 40 characters"):
            tags.add(["a"], tag)
    with pytest.raises(TagError, match="1 different tags already"):
        tags.add(["a"], "other")
    with pytest.raises(TagError, match="None of these images carries the tag “odd”"):
        tags.remove(["b"], "odd")
