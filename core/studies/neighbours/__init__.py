"""The study `neighbours`: the images that a detector finds most similar to each image."""
