"""The rules of judgement of the detectors here, read once for all visitors."""

from typing import NamedTuple

import streamlit as st

from core.detectors.identity import Identity
from core.storage import MANIFEST, ContractError
from core.studies.judgement.familiarity import Space
from core.studies.judgement.judging import find_rule
from core.studies.judgement.rule import Rule, rule_path
from dashboard.services.catalogue import homes, runs
from dashboard.services.sentences import for_visitors


class Known(NamedTuple):
    """What is known of a detector's verdicts.

    Attributes:
        rule: by which they are judged; None where nobody has measured them, or where that cannot be read.
        space: that distances are measured to; None without a rule.
        problem: a sentence for visitors on a rule that cannot be read; "" where there is none.
    """

    rule: Rule | None = None
    space: Space | None = None
    problem: str = ""


def known_of(detector: Identity) -> Known:
    """Return what is known of a detector's verdicts."""
    stamps = []
    for path in runs().values():
        try:
            times = [file.stat().st_mtime_ns for file in (rule_path(path), path / MANIFEST)]
            stamps.append(f"{path} {times}")
        except OSError:
            continue
    try:
        return _known(detector.fingerprint, " ".join(stamps), detector)
    except ContractError as error:
        # kept in no cache: the file may be restored
        return Known(problem=for_visitors(error, homes=homes()))


@st.cache_resource(max_entries=64, show_spinner=False)
def _known(fingerprint: str, stamps: str, _detector: Identity) -> Known:  # noqa: ARG001 - the key
    found = find_rule(_detector, runs().values())
    return Known() if found is None else Known(found[0], Space.of(found[1]))
