"""The figures of a run, where its file of figures holds something else."""

import json
from pathlib import Path

import pytest

from belka.errors import InputError
from pipeline.config.files import load_config
from pipeline.tracking.record import read_run


@pytest.mark.parametrize(
    "content",
    [
        {"evaluation": 3},
        {"evaluation": {"slices": 7}},
        {"evaluation": {"slices": [{}]}},
        {"evaluation": {"mean_average_precision": "high"}},
        {"evaluation": {"verdict": [1]}},
        {"evaluation": {"baselines": {"models": {"linear": 1}}}},
        {"steps": [1]},
        {"steps": {"trainer-clf": 3}},
    ],
    ids=json.dumps,
)
def test_figures_of_a_wrong_kind_are_refused_by_file(tmp_path: Path, content: object) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="figures") as caught:
        read_run(load_config(None, [f"data.output_dir={tmp_path}"]))
    assert str(tmp_path / "metrics.json") in caught.value.received
