"""Files on disk: limits, atomic writes and locks, seals, shards; and what is kept in memory."""
