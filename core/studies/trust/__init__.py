"""Studies of explanations: faithfulness, agreement, robustness, randomisation, and one-colour maps."""
