"""Parts that two or more pages share, with their JavaScript and CSS beside them."""
