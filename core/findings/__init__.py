"""What studies conclude: findings as data, the rule by which they are claimed, and their words."""
