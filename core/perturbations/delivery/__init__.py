"""Deliveries: common processing of pictures between creation and upload, such as JPEG compression. Needs no torch."""
