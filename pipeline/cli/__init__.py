"""The `belka` command line."""
