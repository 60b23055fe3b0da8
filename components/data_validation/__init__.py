"""Data validation: TFX's statistics, schema and validators of the Examples, and the gate that stops a run on what they find."""
