"""What building blocks and pairs of them say by themselves: how often they bind, with shrinkage and intervals."""
