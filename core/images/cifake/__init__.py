"""CIFAKE: its files and their checksums, its download, and its test set as it ships."""
