"""ImageFolder: a folder a class, where the user states which classes are FAKE."""

from collections import Counter

from core.images.image_set import DatasetError
from core.images.layouts.files.listing import Files
from core.images.layouts.layout import (
    SPLITS,
    Entry,
    Found,
    Layout,
    classes_of,
    found,
    pictures_of,
    some,
    source_name,
)

EXPECTS = "{class}/ with --fake-classes A,B"


def _find(files: Files, fake: tuple[str, ...]) -> Found | None:
    if not fake:
        return None
    pictures = [
        (
            listed,
            [name for name in folders if name.lower() not in SPLITS],
            next((SPLITS[name.lower()] for name in folders if name.lower() in SPLITS), ""),
        )
        for listed, folders in pictures_of(files)
    ]
    if not pictures:
        return None
    depths = Counter(at for _, folders, _ in pictures for at, name in enumerate(folders) if name in fake)
    if len(depths) > 1:
        raise DatasetError(
            f"{files.path} has folders named {some(fake)} at more than one depth; give the FAKE classes other names."
        )
    depth = next(iter(depths), 0)
    if shallow := [listed.name for listed, folders, _ in pictures if len(folders) <= depth]:
        raise DatasetError(
            f"{files.path} is read as {{class}}/, and {len(shallow):,} pictures are in no such folder: {some(shallow)}"
            "; move them out of it."
        )
    labels = classes_of({folders[depth] for _, folders, _ in pictures}, fake, str(files.path))
    return found(
        files,
        (
            (
                split,
                Entry(
                    *listed,
                    label=labels[folders[depth]],
                    source=source_name(folders[depth]),
                    category=source_name("/".join(folders[depth + 1 :])),
                ),
            )
            for listed, folders, split in pictures
        ),
    )


LAYOUT = Layout(EXPECTS, _find)
