"""A .csv or .tsv of paths: one row per image, with its label and, if known, its source and split."""

from core.images.image_set import DatasetError
from core.images.layouts.files.listing import Files, TableFile
from core.images.layouts.layout import Found, Layout, found, some
from core.images.layouts.tables import NotTextError, column_of, entries_of, header_of, read_table, rows_of

PATHS = ("path", "file_name", "filename", "file", "image", "image_path", "filepath")
EXPECTS = "a .csv with path and label"


def _find(files: Files, fake: tuple[str, ...]) -> Found | None:
    names = [listed.name for listed in files.listing() if listed.name.lower().endswith((".csv", ".tsv"))]
    highest = min((name.count("/") for name in names), default=0)
    tables = {}
    for name in names:
        if name.count("/") == highest:
            try:
                tables[name] = read_table(files, name)
            except NotTextError:
                # matters only if it is the table itself, or its header has a path column
                if isinstance(files, TableFile) or column_of(header_of(files, name), PATHS):
                    raise
    if not isinstance(files, TableFile):
        # tables without a path column may lie beside the images; they are ignored
        tables = {name: rows for name, rows in tables.items() if column_of(rows[0] if rows else (), PATHS)}
    if not tables:
        return None
    if len(tables) > 1:
        raise DatasetError(
            f"{files.path} has {len(tables)} tables of paths ({some(tables)}); name the file of one of them instead."
        )
    table, rows = tables.popitem()
    return found(files, entries_of(rows_of(files, table, rows, PATHS), fake, str(files.path)))


LAYOUT = Layout(EXPECTS, _find)
