"""The events of a run, gathered from all its processes and handed to whoever shows or keeps them."""
