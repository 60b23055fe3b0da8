"""Which pipelines run on this machine, in how many processes, and how flags are read."""

import pytest

from belka.beam_flags import flag_value, is_local, local_beam_flags, with_job_name


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


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], None),
        (["--job_endpoint=a:1"], "a:1"),
        (["--job_endpoint", "a:1"], "a:1"),
        (["--job_endpoint=a:1", "--job_endpoint=b:2"], "b:2"),
        (["--job_endpoint"], None),
        (["--job_endpoint_of_others=a:1"], None),
    ],
)
def test_a_flag_is_read_in_both_forms_and_the_last_one_counts(flags: list[str], expected: str | None) -> None:
    assert flag_value(flags, "job_endpoint") == expected


def test_jobs_on_an_engine_have_a_name_that_flink_takes() -> None:
    engine = ["--runner=PortableRunner", "--job_endpoint=a:1"]
    assert with_job_name(engine, "Run_1", "statistics-gen") == [*engine, "--job_name=belka-run-1-statistics-gen"]
    assert with_job_name([*engine, "--job_name=mine"], "run") == [*engine, "--job_name=mine"]
    assert with_job_name(local_beam_flags(1), "run") == local_beam_flags(1)
