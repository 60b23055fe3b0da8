"""The configuration as a table, as pages and other tools show it."""

from pipeline.config.files import load_config
from pipeline.config.flat import flat, flat_settings


def test_what_looks_like_a_secret_is_hidden() -> None:
    values = ["tracking.uri=http://anna:pa55@host:5000", 'beam.options=["--password=pa55", "--job_name=screen"]']
    shown = flat_settings(load_config(None, values))
    assert "pa55" not in str(shown)
    assert "--job_name=screen" in shown["beam.options"]
    assert dict(flat({"a": {"api_key": "x1", "epochs": 3, "kept": "C=O"}})) == {
        "a.api_key": "[hidden]",
        "a.epochs": "3",
        "a.kept": "C=O",
    }
