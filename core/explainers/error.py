"""The error of every explanation that cannot be made."""


class ExplanationError(ValueError):
    """An explanation that cannot be made; the message says why and what to do, in one sentence."""
