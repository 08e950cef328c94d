"""Explainers: why one image gets its verdict, how two explanations agree, and how they are drawn."""
