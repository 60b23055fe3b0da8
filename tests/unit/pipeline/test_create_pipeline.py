"""Beam's options follow the configuration."""

from pipeline.config.settings import BeamSettings
from pipeline.create_pipeline import beam_pipeline_args


def test_one_worker_stays_in_the_process() -> None:
    assert beam_pipeline_args(BeamSettings(), 1) == [
        "--runner=FnApiRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
    ]


def test_several_workers_are_processes() -> None:
    assert "--direct_running_mode=multi_processing" in beam_pipeline_args(BeamSettings(), 3)


def test_an_engine_gets_its_own_options_only() -> None:
    beam = BeamSettings(runner="FlinkRunner", options=("--flink_master=localhost:8081",))
    assert beam_pipeline_args(beam, 0) == ["--runner=FlinkRunner", "--flink_master=localhost:8081"]
