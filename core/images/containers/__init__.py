"""Containers of pictures, taken apart part by part: what is found is bytes, read by nobody yet."""
