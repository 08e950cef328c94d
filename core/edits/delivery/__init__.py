"""Deliveries: what pictures ordinarily go through between being made and being uploaded. Needs no torch."""
