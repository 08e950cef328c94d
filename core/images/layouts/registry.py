"""The layouts, in the order in which they are tried."""

from importlib import import_module

from core.images.layouts.layout import Layout

# name -> the module that declares its LAYOUT
LAYOUTS = {
    "metadata": "core.images.layouts.metadata",
    "parquet": "core.images.layouts.parquet",
    "paths": "core.images.layouts.paths",
    "image_folder": "core.images.layouts.image_folder",
    "real_fake": "core.images.layouts.real_fake",
    "zero_one": "core.images.layouts.zero_one",
    "genimage": "core.images.layouts.genimage",
    "generator_label": "core.images.layouts.generator_label",
}


def layouts() -> list[Layout]:
    """Return every layout."""
    return [import_module(module).LAYOUT for module in LAYOUTS.values()]
