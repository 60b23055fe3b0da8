"""BlockFingerprints: one fingerprint row a building block, from which the fingerprints of a library's molecules are composed."""
