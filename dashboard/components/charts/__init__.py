"""Charts: their common style, bars and the confusion matrix as buttons, and a cache of figures."""
