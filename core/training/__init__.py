"""Training a detector: recipes, the loop, checkpoints, held-out images, and the model card."""
