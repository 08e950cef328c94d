"""How image sets are usually laid out in folders, archives and tables."""
