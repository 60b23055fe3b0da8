"""Pusher: the standard one, which also keeps the pointer to the model in production."""
