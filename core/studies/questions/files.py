"""How was the file of each image compressed?"""

from collections.abc import Iterator
from contextlib import suppress

import pandas as pd

from core.findings.contrast import UNKNOWN, Contrast, Finding
from core.findings.intervals import weighted_share
from core.images.encoding import compression_of
from core.images.image_set import DatasetError, Split
from core.images.loading import load_image_set, read_files
from core.runs.run import Run
from core.storage.limits import digest_of
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study

# compressions with a finding
COMMON = 5
QUESTION = "How were the files compressed?"


def source_of(context: Context) -> str | None:
    """Find the files of the run's images: the sample's, or the context's `data`; None where they are not all there."""
    data = context.data
    if str(context.run.manifest["set"]).startswith("sample-"):
        data = "sample"
    if not data:
        return None
    try:
        images = load_image_set(data, context.run.split, fit=context.run.preprocessing, skip_bad=True)
    except (DatasetError, OSError):
        return None
    # another set would say nothing about them
    if not context.run.predictions["sha256"].isin(images.rows["sha256"]).all():
        return None
    return data


def compressions(context: Context, split: Split, rows: pd.DataFrame) -> pd.Series:
    """Describe how files were compressed, see `compression_of`; None for one that is missing or another.

    Args:
        context: of the study, see `source_of`.
        split: that the files are of.
        rows: `name` and `sha256` of the files.
    """
    source = source_of(context)
    described = pd.Series(None, range(len(rows)), object)
    if source is not None:
        with suppress(DatasetError, OSError):
            # one file after another: together they may be larger than memory
            files = read_files(source, split, rows["name"])
            for number, (data, digest) in enumerate(zip(files, rows["sha256"], strict=False)):
                if digest_of(data) == digest:
                    described[number] = compression_of(data)
    return described


def compute(context: Context, rows: Rows, _parameters: Parameters) -> pd.DataFrame:
    """Describe the compression of each file, missing where the file is not available."""
    chosen = context.run.predictions.iloc[rows].reset_index(drop=True)
    described = compressions(context, context.run.split, chosen)
    return pd.DataFrame({"id": chosen["id"].astype(str), "compression": described})


def conclude(_run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """List the compressions, the commonest first; a count has no control."""
    described = table[table["compression"].notna()]
    if described.empty:
        yield Finding("unknown", QUESTION, "file_kind", (Contrast("count", "", UNKNOWN),))
    images = described.groupby("compression")[WEIGHT].sum().sort_values(ascending=False, kind="stable")
    for number, name in enumerate(images.index[:COMMON].astype(str)):
        share = Contrast("count", "", weighted_share(described["compression"] == name, described[WEIGHT].to_numpy()))
        yield Finding(f"common.{number}", QUESTION, "file_kind", (share,), subject=name, details={"name": name})


STUDY = Study(
    name="files",
    title="Compression of the files",
    question="How was the file of each image compressed?",
    columns={
        "compression": "format, quantisation tables (as a quality where they are libjpeg's own), chroma subsampling; "
        "missing where the file was not available"
    },
    control="none: it is read from the files",
    compute=compute,
    conclude=conclude,
    explore=("compression",),
    shard=2**14,
    needs="",
)
