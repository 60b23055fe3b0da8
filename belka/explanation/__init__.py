"""What building blocks and atoms bring to a prediction, and whether taking them away shows it."""
