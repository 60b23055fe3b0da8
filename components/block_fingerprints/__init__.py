"""BlockFingerprints: one fingerprint row per building block; molecules' fingerprints are composed of them."""
