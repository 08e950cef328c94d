"""What it takes to make the same numbers again."""

from collections.abc import Mapping
from typing import Any

from core.report.parts import listed, table_of
from core.runs.run import Run
from core.studies.study import Answer
from core.system.atomic import sha256_of


def settings(run: Run, detector: Mapping[str, Any] | None, answers: Mapping[str, Answer]) -> str:
    """The table of settings and hashes; the detector's manifest where it is at hand."""
    manifest = run.manifest
    rows = [
        ["Detector", f"{manifest['detector']}, weights sha256 {manifest['detector_sha256']}"],
        ["Images", f"{manifest['set']}, fingerprint {manifest['set_fingerprint']}"],
        ["Computed", str(manifest["created"])],
        ["Temperature", f"{manifest['temperature']:.4f}"],
        ["Versions", listed(manifest["versions"])],
    ]
    if detector:
        rows.append(["Training", f"{listed(detector.get('recipe', {}))}; in {detector.get('computed_in', 'unknown')}"])
        rows.append(["Trained on", f"{detector.get('training_set')}, {detector.get('training_set_fingerprint')}"])
    for name, answer in answers.items():
        rows.append([f"Study {name}", f"file sha256 {sha256_of(answer.path)}, made {answer.about['created']}"])
    return table_of(["What", "Which"], rows)
