"""What a stage leaves: the SavedModel with its signatures, its weights and description."""
