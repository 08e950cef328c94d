"""What two pages share: confusion matrix, bars, image grid, pictures with their maps, charts, words."""
