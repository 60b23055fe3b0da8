"""Data validation: TFX's statistics, schema and validators of the Examples, and a gate that stops on anomalies."""
