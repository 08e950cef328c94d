"""How was the file of each image compressed?"""

from collections.abc import Iterator

import pandas as pd

from core.findings.contrast import UNKNOWN, Contrast, Finding
from core.findings.intervals import weighted_share
from core.runs.run import Run
from core.studies.shared.copies import compressions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study

# compressions with a finding
COMMON = 5
QUESTION = "How were the files compressed?"


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
