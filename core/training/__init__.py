"""Training: recipes (`recipe.py`, `recipes.toml`), the loop (`fit.py`), and what held-out images decide.

The last is in `held_out.py`; `train.py` at the root is the command.
"""
