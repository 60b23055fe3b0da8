"""`belka benchmark`: our rate beside a plain reference in the same run."""
