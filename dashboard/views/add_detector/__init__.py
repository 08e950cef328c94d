"""The page Add a detector: a detector that others made."""

from dashboard.navigation import Page

PAGE = Page(
    title="Add a detector",
    icon=":material/add_circle:",
    section="Try it",
    position=3,
    help="A detector that others made: from a folder of transformers, timm, torchvision or an ONNX file.",
)
