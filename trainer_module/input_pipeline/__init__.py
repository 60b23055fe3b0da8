"""From TFRecord shards to padded batches of few static shapes."""
