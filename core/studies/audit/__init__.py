"""The study `audit`: what could be learned from an image set apart from the question asked of it."""
