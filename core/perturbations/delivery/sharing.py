"""Deliveries of several steps: a screenshot, and a messenger."""

from core.perturbations.delivery.delivery import Delivery, Picture
from core.perturbations.delivery.saving import jpeg
from core.perturbations.delivery.scaling import scaled

# a desktop's screen, and the zoom that laptops are sold with
SCREEN = (1920, 1080)
ZOOM = 1.25
# what messengers send unless asked for the original
LONGEST, QUALITY = 1600, 80


def screenshot(picture: Picture) -> Picture:
    """Scale uint8 (height, width, 3) as a screenshot of it does: to 125%, or less if it would not fit on the screen."""
    height, width = picture.shape[:2]
    factor = min(ZOOM, SCREEN[0] / width, SCREEN[1] / height)
    return scaled(picture, factor, "bilinear")


def messenger(picture: Picture) -> Picture:
    """Make the longer side of uint8 (height, width, 3) at most 1,600 pixels and save as JPEG of quality 80."""
    factor = LONGEST / max(picture.shape[:2])
    return jpeg(scaled(picture, factor, "bilinear") if factor < 1 else picture, QUALITY)


DELIVERIES = (
    Delivery("screenshot", "Screenshot", screenshot),
    Delivery("messenger", "Messenger", messenger),
)
