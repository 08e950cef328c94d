"""Images: from files to pixels, and sets of them.

`decode` turns the bytes of any one file into safe uint8 pixels. `load_image_set` recognises how a folder, archive or
table is laid out (`layouts`), decodes every file once into a memory-mapped cache, and returns an `ImageSet`: pixels,
and a row of label, hash, source and statistics for each image. Beside them: preprocessing to a detector's input, what
a file says of its origin, near copies, CIFAKE itself and images of other generators.
"""
