"""Run the pipeline on this machine: LocalDagRunner, SQLite ML Metadata, Beam's in-process runner.

`tfx pipeline create --engine local --pipeline_path pipeline/runners/local.py` takes this file as it stands; the
configuration then comes from the file that the environment variable BELKA_CONFIG names.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import RunOptions

from belka.beam_flags import with_job_name
from belka.contract import METADATA_FILE
from belka.errors import DamagedError, explained
from belka.events.channel import emit
from belka.events.event import Event, State
from belka.settings import BEAM_FLAGS, computation
from belka.state_files import RECOVERY
from pipeline.config.files import load_config_from_environment, with_found_targets, with_raw_digest
from pipeline.config.settings import Config
from pipeline.create_pipeline import beam_pipeline_args, create_pipeline
from pipeline.runners.last_outputs import complete_last_run, missing_results, without_input
from pipeline.runners.metadata_store import back_up, mend, of_full_disk
from pipeline.runners.node_events import observe_nodes
from pipeline.runners.outcomes import forget, forget_lost_results
from pipeline.runners.output_lock import only_run_in
from pipeline.runners.store.cache_keys import keyed_by_places
from pipeline.runners.store.working_folder import publish_step

logger = logging.getLogger(RECOVERY)


def run_local(config: Config, nodes: Sequence[str] | None = None) -> None:
    """Run the whole pipeline, or the given nodes on what earlier runs left in the output directory.

    Args:
        config: The configuration, with the digest of the raw files.
        nodes: Node ids to run; None = all.

    Raises:
        InputError: A node needs the output of one that never ran here.
    """
    config.output_dir.mkdir(parents=True, exist_ok=True)
    database = config.output_dir / METADATA_FILE
    try:
        mend(database)
        for folder in forget_lost_results(database):
            logger.warning("%s is gone or was changed: the step that makes it runs again.", folder)
        if nodes is not None and (earlier := complete_last_run(database, config.pipeline_name)):
            told = "The last run did not finish these; earlier ones count: %s."
            logging.getLogger(__name__).info(told, ", ".join(earlier))
        _run(config, nodes, database)
    except Exception as error:
        if isinstance(found := explained(error), DamagedError):
            forget(database, found.folder)
            raise
        if found is None and (full := of_full_disk(error, database)):
            raise full from error
        if not isinstance(error, LookupError) or nodes is None:
            raise
        raise missing_results(nodes, config.output_dir, str(error)) from error


def _run(config: Config, nodes: Sequence[str] | None, database: Path) -> None:
    # One run at a time works in an output directory: a job of this name is one that a killed run left.
    place = hashlib.sha256(str(config.output_dir.absolute()).encode()).hexdigest()[:12]
    flags = with_job_name(beam_pipeline_args(config.beam, config.system.n_workers), place)
    with computation({**config.computing(), BEAM_FLAGS: flags}):
        pipeline = create_pipeline(config)
        pipeline.metadata_connection_config = metadata.sqlite_metadata_connection_config(str(database))
        with (
            keyed_by_places(),
            observe_nodes(
                started=lambda node: emit(Event(State.STARTED, node)),
                finished=lambda _: _keep(database),
                cached=lambda node: emit(Event(State.CACHED, node)),
            ),
        ):
            options = None if nodes is None else RunOptions(from_nodes=nodes, to_nodes=nodes)
            LocalDagRunner().run(pipeline, run_options=options)
    if unmet := without_input(database, config.pipeline_name):
        raise missing_results(unmet, config.output_dir, "a result that is damaged or gone, and so no longer counts")


def _keep(database: Path) -> None:
    """Keep what a node left: a copy of the metadata store, and all of it on the object store, where there is one."""
    back_up(database)
    publish_step()


if __name__ == "__main__":
    _config = with_raw_digest(with_found_targets(load_config_from_environment()))
    with only_run_in(_config.output_dir):
        run_local(_config)
