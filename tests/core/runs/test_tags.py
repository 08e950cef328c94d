"""Tags and notes: kept, found, taken away, exported, and safe with many writers and a broken file."""

from pathlib import Path

import pytest

from core.runs.tags import MAX_TAG, TagError, Tags


@pytest.fixture
def tags(tmp_path: Path) -> Tags:
    return Tags(tmp_path / "folder" / "tags.sqlite")


def test_tags_and_notes_survive_and_come_off(tags: Tags) -> None:
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


def test_a_tag_comes_off_as_it_was_put_on_or_a_sentence_says_why_not(tags: Tags) -> None:
    tags.add(["a", "b"], " odd ")
    tags.remove(["a", "z"], " odd ")
    assert tags.ids("odd") == {"b"}
    with pytest.raises(TagError, match="None of these images carries the tag “odd”"):
        tags.remove(["a"], "odd")
    assert tags.ids("odd") == {"b"}


@pytest.mark.parametrize("tag", ["", "   ", "a,b", "a;b", "x" * (MAX_TAG + 1), "a\nb"])
def test_refuses_what_is_no_tag(tags: Tags, tag: str) -> None:
    with pytest.raises(TagError, match="1 to 40 characters, and no comma, semicolon or invisible"):
        tags.add(["a"], tag)


def test_the_last_note_wins(tags: Tags) -> None:
    tags.note("a", "first")
    tags.note("a", "second ")
    assert tags.note_of("a") == "second"


def test_a_broken_file_is_one_sentence(tags: Tags) -> None:
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


def test_there_are_only_so_many_different_tags(tags: Tags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runs.tags.MAX_TAGS", 2)
    tags.add(["a"], "one")
    tags.add(["a"], "two")
    with pytest.raises(TagError, match="2 different tags already"):
        tags.add(["a"], "three")
    tags.add(["b"], "two")
    assert tags.ids("two") == {"a", "b"}
