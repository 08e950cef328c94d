"""Tags and notes on images, stored in one small SQLite file."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pandas as pd

MAX_TEXT = 2000
MAX_TAG = 40
# different tags: all are offered wherever one is chosen
MAX_TAGS = 500
# seconds that a writer, or a reader, waits for another process or thread to unlock the file
WRITERS_WAIT = 5.0
READERS_WAIT = 0.1
EVERYTHING = """
SELECT
    id,
    coalesce((SELECT group_concat(tag, ';') FROM (SELECT tag FROM tags WHERE tags.id = ids.id ORDER BY tag)), ''),
    coalesce((SELECT text FROM notes WHERE notes.id = ids.id), '')
FROM (SELECT id FROM tags UNION SELECT id FROM notes) AS ids
ORDER BY id
"""
REMEDY = "nothing in it was changed: check that its disk has room and is writable, or move it away if it is damaged"


class TagError(ValueError):
    """A tag or note that was not saved; the message says why."""


class Tags:
    """Tags and notes by image id; safe to use from several threads and processes.

    Args:
        path: the file, created with its folder when something is first saved.

    Attributes:
        problem: one sentence on why the file could not be read the last time, "" where it could. An unreadable file is
            treated as absent and never overwritten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""

    def add(self, ids: Sequence[str], tag: str) -> None:
        """Tag images.

        Raises:
            TagError: the tag is empty, longer than 40 characters, has a comma, a semicolon or an unprintable
                character, or would be the 501st; or the file cannot be written.
        """
        tag = tag.strip()
        if not tag or len(tag) > MAX_TAG or set(tag) & set(",;") or not tag.isprintable():
            raise TagError(f"A tag has 1 to {MAX_TAG} characters, and no comma, semicolon or invisible character.")
        names = self.names()
        if tag not in names and len(names) >= MAX_TAGS:
            raise TagError(f"There are {MAX_TAGS} different tags already; use one of them, or take one off its images.")
        with self._open() as connection:
            connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(id_, tag) for id_ in ids])

    def remove(self, ids: Sequence[str], tag: str) -> None:
        """Remove a tag from images.

        Raises:
            TagError: none of the images carries the tag, or the file cannot be written.
        """
        tag = tag.strip()
        with self._open() as connection:
            removed = connection.executemany("DELETE FROM tags WHERE id = ? AND tag = ?", [(id_, tag) for id_ in ids])
        if not removed.rowcount:
            raise TagError(f"None of these images carries the tag “{tag}”, so there is nothing to remove.")

    def note(self, id_: str, text: str) -> None:
        """Save a note on an image in the place of the one before; an empty one removes it.

        Raises:
            TagError: the note is longer than 2,000 characters, or the file cannot be written.
        """
        text = text.strip()
        if len(text) > MAX_TEXT:
            raise TagError(f"A note has at most {MAX_TEXT:,} characters.")
        with self._open() as connection:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (id_, text))
            connection.execute("DELETE FROM notes WHERE text = ''")

    def names(self) -> list[str]:
        """Return all tags in use, sorted."""
        return [row[0] for row in self._read("SELECT DISTINCT tag FROM tags ORDER BY tag")]

    def ids(self, tag: str) -> frozenset[str]:
        """Return the images with a tag."""
        return frozenset(row[0] for row in self._read("SELECT id FROM tags WHERE tag = ?", tag))

    def of(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the tags of some images, sorted; images without any are left out."""
        tags: dict[str, list[str]] = {}
        query = "SELECT id, tag FROM tags WHERE id IN (SELECT value FROM json_each(?)) ORDER BY tag"
        for id_, tag in self._read(query, json.dumps(list(ids))):
            tags.setdefault(id_, []).append(tag)
        return tags

    @property
    def empty(self) -> bool:
        """True where nothing is saved."""
        return not self._read("SELECT 1 FROM tags UNION ALL SELECT 1 FROM notes LIMIT 1")

    def note_of(self, id_: str) -> str:
        """Return the note on one image, "" for none."""
        rows = self._read("SELECT text FROM notes WHERE id = ?", id_)
        return rows[0][0] if rows else ""

    def frame(self) -> pd.DataFrame:
        """Return everything saved: columns `id`, `tags` (joined by ";") and `note`, a row per image.

        Raises:
            TagError: the file cannot be read; a table without its tags would look like one that has none.
        """
        rows = self._read(EVERYTHING)
        if self.path.exists() and self.problem:
            raise TagError(self.problem)
        return pd.DataFrame(rows, columns=["id", "tags", "note"])

    def _read(self, query: str, *values: str) -> list[tuple[str, ...]]:
        if not self.path.exists():
            return []
        try:
            with self._open(READERS_WAIT) as connection:
                rows = connection.execute(query, values).fetchall()
        except TagError as error:
            self.problem = str(error)
            return []
        self.problem = ""
        # a column of SQLite holds whatever was put there
        return [tuple(map(str, row)) for row in rows]

    @contextmanager
    def _open(self, patience: float = WRITERS_WAIT) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=patience)) as connection, connection:
                connection.execute("CREATE TABLE IF NOT EXISTS tags (id TEXT, tag TEXT, PRIMARY KEY (id, tag))")
                connection.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, text TEXT)")
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise TagError(f"{self.path} cannot be used ({error}); {REMEDY}.") from error
