"""Images on a page: the grid, a large picture with its map, filters, and details of one image."""
