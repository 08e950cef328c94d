"""What several studies share: groups of rows, donors, flips, explanations."""
