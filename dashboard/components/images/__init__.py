"""Images on a page: the grid, a large picture with its map, filters, and what is known of one image."""
