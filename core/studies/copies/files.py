"""How was the file of each image compressed?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.intervals import weighted_share
from core.runs.run import Run
from core.studies.copies.both_splits import compressions, own_part
from core.studies.study import WEIGHT, Context, Finding, Study


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """The compression of each file, missing where the file is not at hand."""
    found = compressions(context, own_part(context), rows)
    ids = context.run.predictions["id"].to_numpy(str)[rows]
    return pd.DataFrame({"id": ids, "compression": pd.Series(found, dtype=object)})


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """Which compressions there are, the commonest first."""
    known = table[table["compression"].notna()]
    if known.empty:
        text = "How the files were compressed is unknown, because they were not at hand."
        return [Finding("unknown", text, images=0)]
    found = []
    for number, name in enumerate(known["compression"].value_counts().index[:5]):
        hit = (known["compression"] == name).to_numpy(bool)
        share = weighted_share(hit, known[WEIGHT].to_numpy())
        text = f"{100 * share.value:.2f} % of the files ({100 * share.low:.2f} to {100 * share.high:.2f} %) are {name}."
        found.append(Finding(f"common.{number}", text, share.value, share.low, share.high, len(known)))
    return found


STUDY = Study(
    name="files",
    title="Compression of the files",
    question="How was the file of each image compressed?",
    columns={
        "compression": "format, quantisation tables (as a quality where they are libjpeg's own), chroma subsampling; "
        "missing where the file was not at hand"
    },
    better="neither",
    control="none: it is read from the files",
    compute=compute,
    conclude=conclude,
    explore=("compression",),
    shard=2**14,
)
