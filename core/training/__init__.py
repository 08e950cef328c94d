"""Training: recipes (`recipe.py`), the loop (`fit.py`) with checkpoints, held-out images, joining, and the model card.

`train.py` at the root is the command.
"""
