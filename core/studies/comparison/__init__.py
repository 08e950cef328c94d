"""Two runs on the same images: where one is right and the other wrong, what each reads, which explanation holds."""
