"""Hugging Face's `imagefolder`: pictures beside a metadata.csv or metadata.jsonl, which names and labels them."""

from core.images.layouts.files.listing import Files
from core.images.layouts.layout import Found, Layout, found
from core.images.layouts.tables import entries_of, read_table, rows_of

NAMES = ("metadata.csv", "metadata.jsonl")
EXPECTS = "metadata.csv or metadata.jsonl with file_name and label"


def _find(files: Files, fake: tuple[str, ...]) -> Found | None:
    tables = [listed.name for listed in files.listing() if listed.name.rpartition("/")[2] in NAMES]
    rows = [row for table in tables for row in rows_of(files, table, read_table(files, table), ("file_name",))]
    return found(files, entries_of(rows, fake, str(files.path))) if tables else None


LAYOUT = Layout(EXPECTS, _find)
