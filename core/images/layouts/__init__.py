"""Layouts: how image sets are usually laid out in folders, archives and tables. One module is one layout."""
