"""The study `deliveries`: which verdicts survive what pictures ordinarily go through."""
