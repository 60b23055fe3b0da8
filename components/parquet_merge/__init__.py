"""ParquetMerge: raw BELKA files to one row a molecule."""
