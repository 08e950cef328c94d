"""The paper that Telltale starts from, and the numbers that it reports."""

from typing import Any

# numbers from its Table 1 and Figure 1, `confusion` as [label][predicted], FAKE first; it states no year
PAPER: dict[str, Any] = {
    "author": "David Blankenship",
    "title": "Applications of XAI for AI-Generated Image Discrimination",
    "link": "https://github.com/General-Cow/XAI-For-AI-Image-Detection",
    "accuracy": 0.945,
    "per_class": {
        "FAKE": {"precision": 0.93, "recall": 0.96, "f1": 0.95},
        "REAL": {"precision": 0.96, "recall": 0.93, "f1": 0.94},
    },
    "confusion": [[9584, 416], [679, 9321]],
}
