"""Training: recipes (`recipe.py`), the loop (`fit.py`), what held-out images decide (`held_out.py`), and model cards.

`train.py` at the root is the command.
"""
