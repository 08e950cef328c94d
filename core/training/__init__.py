"""Training: recipes (`recipe.py`), the loop (`fit.py`), and what held-out images decide (`held_out.py`).

`train.py` at the root is the command.
"""
