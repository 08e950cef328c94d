"""Pages as their visitors find them, without a browser."""
