"""The study `transfer`: what the detector says of images that it was not made for."""
