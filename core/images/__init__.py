"""Images: untrusted bytes to pixels, image sets and their packs, and the statistics of each image."""
