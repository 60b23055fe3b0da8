"""Finished runs side by side: settings, scores on the molecules that all of them held out, curves of training."""
