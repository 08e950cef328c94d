"""The files of an image set, wherever they are: a folder, a .zip, a .tar, or those that a table names."""
