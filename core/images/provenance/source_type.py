"""IPTC's DigitalSourceType, in which XMP and Content Credentials say how a picture came about."""

import re

from core.images.provenance.claim import Suggests

# https://cv.iptc.org/newscodes/digitalsourcetype/
TYPES: dict[str, tuple[str, Suggests]] = {
    "trainedAlgorithmicMedia": ("made by a generative model", "generated"),
    "compositeWithTrainedAlgorithmicMedia": ("put together with parts from a generative model", ""),
    "algorithmicMedia": ("made by an algorithm that was not trained", ""),
    "compositeSynthetic": ("put together with synthetic parts", ""),
    "digitalCapture": ("taken by a digital camera", "photograph"),
    "computationalCapture": ("taken by a camera that computes", "photograph"),
    "negativeFilm": ("scanned from a negative", "photograph"),
    "positiveFilm": ("scanned from a positive", "photograph"),
    "print": ("scanned from a print", "photograph"),
    "minorHumanEdits": ("edited slightly by a person", ""),
    "humanEdits": ("edited by a person", ""),
    "compositeCapture": ("put together from photographs", ""),
    "composite": ("put together from several sources", ""),
    "digitalCreation": ("drawn on a computer by a person", ""),
    "digitalArt": ("drawn on a computer by a person", ""),
    "softwareImage": ("made by software", ""),
    "virtualRecording": ("recorded in a virtual scene", ""),
    "dataDrivenMedia": ("drawn from data", ""),
    "screenCapture": ("a screenshot", ""),
}
# names of generators, as they stand in fields for software, authors and credits; people and places are called Kendall,
# Dallas, Firefly and Gemini too, and "imagen" is Spanish for picture
GENERATORS = re.compile(
    r"stable diffusion|midjourney|\bdall\W?e(?![a-z])|\b(adobe firefly|firefly image)|novelai|comfyui|invokeai|fooocus"
    r"|automatic1111|\b(google imagen|imagen[ -]?[1-9](?!\d))|ideogram|leonardo\.ai|openai|google ai"
    r"|\b(google gemini|gemini[ -]?\d)|chatgpt|black forest labs|swarmui|bing image creator"
)


def source_type(code: str) -> tuple[str, Suggests]:
    """Return what a code of DigitalSourceType, or its URL, means, and what it speaks for; ("", "") if unknown."""
    return TYPES.get(code.strip().rstrip("/").rpartition("/")[2], ("", ""))


def is_generator(software: str) -> bool:
    """Return True where a field for software, or for who made a picture, names a known generator."""
    return GENERATORS.search(software.lower()) is not None
