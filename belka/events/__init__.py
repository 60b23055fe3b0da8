"""What a run tells while it works: one stream of events, whoever listens. Steps use `belka.progress` alone."""
