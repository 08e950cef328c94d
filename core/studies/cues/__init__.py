"""How much of REAL against FAKE is in each cue of an image set: a small network trained on each version of it."""
