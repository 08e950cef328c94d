"""Browsing a run: its rows as a table, filters, embeddings, pictures, and tags. Needs no torch."""
