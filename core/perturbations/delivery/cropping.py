"""The delivery that cuts a border off."""

from core.perturbations.delivery.delivery import Delivery, Picture

SHARE = 0.9


def cropped(picture: Picture) -> Picture:
    """Keep the middle 90 % of the width and of the height of uint8 (height, width, 3)."""
    height, width = picture.shape[:2]
    high, wide = max(1, round(SHARE * height)), max(1, round(SHARE * width))
    top, left = (height - high) // 2, (width - wide) // 2
    return picture[top : top + high, left : left + wide]


DELIVERIES = (Delivery("crop_90", "Crop to 90%", cropped, crops=True),)
