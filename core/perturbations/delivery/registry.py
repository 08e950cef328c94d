"""The registry of deliveries: a module each, or one for several that are alike."""

from core.perturbations.delivery import cropping, saving, scaling, sharing
from core.perturbations.delivery.delivery import Delivery

# in the order in which they are shown
MODULES = (saving, scaling, cropping, sharing)


def deliveries() -> tuple[Delivery, ...]:
    """All deliveries, in the order of their modules."""
    return tuple(one for module in MODULES for one in module.DELIVERIES)
