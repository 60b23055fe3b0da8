"""The observer hears of every node, and TFX still words its two log records as expected."""

import inspect

from absl import logging as absl_logging

from pipeline.runners.node_events import CACHED, FINISHED, STARTED, observe_nodes


class _Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def node_started(self, node: str) -> None:
        self.events.append(("started", node))

    def node_cached(self, node: str) -> None:
        self.events.append(("cached", node))

    def node_finished(self, node: str) -> None:
        self.events.append(("finished", node))


def test_observer_hears_both_records_and_nothing_else() -> None:
    recorder = _Recorder()
    with observe_nodes(recorder.node_started, recorder.node_finished, recorder.node_cached):
        absl_logging.info(STARTED, "smiles-vocab")
        absl_logging.info("Component %s is skipped.", "pusher")
        absl_logging.info(CACHED, 17)
        absl_logging.info(FINISHED, "smiles-vocab")
    absl_logging.info(STARTED, "after the block")
    assert recorder.events == [("started", "smiles-vocab"), ("cached", "smiles-vocab"), ("finished", "smiles-vocab")]


def test_observer_still_hears_after_a_library_silenced_absl_and_restored_it() -> None:
    recorder = _Recorder()
    with observe_nodes(recorder.node_started, recorder.node_finished, recorder.node_cached):
        before = absl_logging.get_verbosity()
        absl_logging.set_verbosity(absl_logging.FATAL)
        absl_logging.set_verbosity(before)
        absl_logging.info(FINISHED, "molecule-transform")
    assert recorder.events == [("finished", "molecule-transform")]


def test_tfx_still_logs_these_records() -> None:
    from tfx.orchestration.local import local_dag_runner
    from tfx.orchestration.portable import launcher

    source = inspect.getsource(local_dag_runner.LocalDagRunner.run_with_ir)
    assert f"'{STARTED}', node_id" in source
    assert f"'{FINISHED}', node_id" in source
    assert f"'{CACHED}', execution.id" in inspect.getsource(launcher)
