"""The Belka transformer: layers, losses, metrics, input pipeline, training and export."""
