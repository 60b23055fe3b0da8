"""ParquetMerge: raw BELKA files to one row per molecule."""
