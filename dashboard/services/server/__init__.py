"""The server itself: its memory, imports and temporary files, its visitors, and the limits of their uploads."""
