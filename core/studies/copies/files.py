"""How was the file of each image compressed?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.studies.copies import findings
from core.studies.copies.both_splits import compressions, own_part
from core.studies.study import Context, Study


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """The compression of each file, missing where the file is not available."""
    found = compressions(context, own_part(context), rows)
    ids = context.run.predictions["id"].to_numpy(str)[rows]
    return pd.DataFrame({"id": ids, "compression": pd.Series(found, dtype=object)})


STUDY = Study(
    name="files",
    title="Compression of the files",
    question="How was the file of each image compressed?",
    columns={
        "compression": "format, quantisation tables (as a quality where they are libjpeg's own), chroma subsampling; "
        "missing where the file was not at hand"
    },
    control="none: it is read from the files",
    compute=compute,
    conclude=findings.files,
    headlines=findings.HEADLINES,
    explore=("compression",),
    shard=2**14,
)
