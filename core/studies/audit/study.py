"""The study `audit`: which shortcuts the data offer, and whether the detector relies on them.

Each fact that has a name is given its best chance: a rule that may use it in any way, fitted to the training images
(or, where they are not available, cross-fitted on the run's own) and tested on the run's. It is compared with the same
rule after shuffling the labels, two logistic regressions on a few numbers, and the network itself.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.studies.audit.baselines import radial_spectrum
from core.studies.audit.copies import leak_row, training_copies
from core.studies.audit.findings import HEADLINES, conclude
from core.studies.audit.names import FACT_NAMES
from core.studies.audit.rows import ENDS, baseline_rows, fact_row, network_row, ring_rows
from core.studies.copies.both_splits import links_of, own_part, training_part, with_compression
from core.studies.study import Context, Study, StudyError

COLUMNS = {
    "kind": "fact; ring (of the radial power spectrum); leak (copies of training images); baseline (a logistic "
    "regression); network (the detector); or copies (among the training images)",
    "name": "of the fact, ring, baseline or count",
    "images": "how many images it rests on",
    "count": "of copies: how many images",
    "other_class": "of copies: how many of them copy an image of the other class",
    "fitted": "how many training images a rule or regression was fitted on; 0 where they were not at hand and each "
    "image was judged by the others of its set",
    "values": "of a fact in words: how many values there are",
    **{
        f"{part}_{name}": f"{words} of the fact over {name.upper()} images"
        for name in ("real", "fake")
        for part, words in (("lower", "lower quartile"), ("median", "median"), ("upper", "upper quartile"))
    },
    "direct": "of a number: how often a REAL image has the higher value than a FAKE one, 0 to 1",
    "auroc": "how often a REAL image looks more REAL than a FAKE one by this alone, used in the best way, "
    "0.5 (guessing) to 1",
    "shuffled": "the same after labels were shuffled: the control, about 0.5",
    "accuracy": "share of right verdicts by this alone, 0 to 1",
    "matched_auroc": "the detector's AUROC among images that are alike in the fact, or that have no copy, 0 to 1",
    "matched_accuracy": "mean of the detector's recalls among the same images, 0 to 1",
    "lean": "rank correlation of the detector's margin with what the fact says, within a class, -1 to 1",
}
ESTIMATED = ("direct", "auroc", "shuffled", "accuracy", "matched_auroc", "matched_accuracy", "lean")
COLUMNS |= {f"{name}{end}": "an end of its 95 % interval" for name in ESTIMATED for end in ENDS[1:]}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """A row a fact, ring, baseline and count of copies, and one for the network."""
    if len(rows) < len(context.run):
        raise StudyError("the audit is of a whole set, because a copy may be anywhere in it; leave --images out")
    own, training, seed = own_part(context), training_part(context), int(parameters["seed"])
    margins = context.run.predictions["margin"].to_numpy(np.float64)
    links = links_of(context, own, training)
    found = [network_row(margins, own.is_real)]
    if training is not None:
        found += [leak_row(links, own, training, margins, seed=seed), *training_copies(links, own, training)]
    context.say(0.6, "how files were compressed")
    facts = with_compression(context, own)
    learned = None if training is None else with_compression(context, training)
    for number, name in enumerate(FACT_NAMES):
        context.say(0.75 + 0.01 * number, name)
        if row := fact_row(name, facts, margins, learned=learned, seed=seed):
            found.append(row)
    context.say(0.85, "spectra")
    spectra = radial_spectrum(own.pixels)
    found += ring_rows(spectra, own.is_real)
    found += baseline_rows(own, training, spectra, seed=seed)
    return pd.DataFrame(found).reindex(columns=list(COLUMNS))


STUDY = Study(
    name="audit",
    title="Audit of the data",
    question="What could be learned from this data that is not the point, and does the detector lean on it?",
    columns=COLUMNS,
    control="the same rules and regressions after the labels were shuffled",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"seed": 0},
    whole=True,
)
