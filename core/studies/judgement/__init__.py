"""The judgement of one picture: FAKE-like, REAL-like, or that the detector cannot tell, with the reason as data."""
