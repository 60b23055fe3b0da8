"""The best molecules of all that the blocks of a library can be joined to, without scoring each of them."""
