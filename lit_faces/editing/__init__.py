"""What a trained method does with faces that are not of its data set."""
