"""Which pipelines run on this machine, and in how many processes."""

import pytest

from belka.beam_flags import is_local, local_beam_flags


def test_a_single_worker_stays_in_this_process_and_several_are_processes() -> None:
    assert local_beam_flags(1) == [
        "--runner=FnApiRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
    ]
    assert local_beam_flags(3) == [
        "--runner=FnApiRunner",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=3",
    ]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([], True), (local_beam_flags(2), True), (["--runner=FlinkRunner", "--flink_master=localhost:8081"], False)],
)
def test_a_pipeline_runs_here_unless_its_flags_name_an_engine(flags: list[str], expected: bool) -> None:
    assert is_local(flags) is expected
