"""BlockFingerprints: one fingerprint row per building block, from which the fingerprints of a library's molecules are composed."""
