"""The settings and hashes that reproduce a report's numbers."""

from collections.abc import Mapping
from typing import Any

from core.report.parts import Section, Table, listed
from core.runs.run import Run
from core.storage import sha256_of
from core.studies.result import StudyResult


def settings(run: Run, detector: Mapping[str, Any] | None, answers: Mapping[str, StudyResult]) -> Section:
    """Tabulate settings and hashes; `detector` is the detector's manifest, if available."""
    manifest = run.manifest
    rows = [
        ["Detector", f"{manifest['detector']}, weights sha256 {manifest['detector_sha256']}"],
        ["Images", f"{manifest['set']}, fingerprint {manifest['set_fingerprint']}"],
        ["Created", str(manifest["created"])],
        ["Left out as unreadable", f"{len(manifest['skipped']):,}"],
        ["Temperature", f"{manifest['temperature']:.4f}"],
        ["Versions", listed(manifest["versions"])],
    ]
    if not run.sealed:
        rows.append(["Seal", "none: a change of the run's manifest would not be noticed"])
    # detectors of others do not say how they were trained
    if detector and detector.get("recipe"):
        rows.append(["Training", f"{listed(detector['recipe'])}; in {detector.get('computed_in', 'unknown')}"])
    rows += [
        [f"Joined of {one['name']}", f"weight {one['weight']:.3f}; {listed(one['recipe'])}"]
        for one in (detector or {}).get("members", ())
    ]
    if detector and detector.get("training_set"):
        known = (detector["training_set"], detector.get("training_set_fingerprint"))
        rows.append(["Trained on", ", ".join(str(one) for one in known if one)])
    for name, answer in answers.items():
        rows.append([f"Study {name}", f"file sha256 {sha256_of(answer.path)}, made {answer.about['created']}"])
    return Section("Settings and hashes", [Table(["Setting", "Value"], rows)])
