"""Charts: their one style, bars and the confusion matrix as buttons, and figures kept between reruns."""
