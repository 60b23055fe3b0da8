"""What a run would do: which nodes the cache serves, and why the others run.

TFX's own launcher answers, node by node, on a copy of the metadata store in a temporary folder: it looks for a cached
result exactly as it does in a run, and is stopped before it would execute anything.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import RunOptions
from tfx.orchestration.portable import inputs_utils, launcher, partial_run_utils, runtime_parameter_utils

from belka.contract import METADATA_FILE
from belka.errors import InputError
from belka.provenance import read_provenance
from belka.settings import BEAM_FLAGS, computation
from components.recording import CODE_VERSION, plain_settings
from pipeline.config.settings import Config
from pipeline.create_pipeline import beam_pipeline_args, create_pipeline
from pipeline.runners.last_outputs import complete_last_run, missing_results
from pipeline.runners.metadata_store import copy_store, store_of_next_run
from pipeline.runners.outcomes import NodeOutcome, forget_lost_results, read_outcomes
from pipeline.runners.plan_reasons import changes
from pipeline.runners.store.cache_keys import keyed_by_places

_RUN_ID = "plan"


@dataclass(frozen=True)
class PlannedNode:
    """What a run would do about a node.

    Attributes:
        node: Node id.
        cached: Whether an earlier result serves.
        reasons: Why it runs; empty where it does not.
        outputs: Folders of its last outputs.
    """

    node: str
    cached: bool
    reasons: tuple[str, ...]
    outputs: tuple[Path, ...]


def plan_run(config: Config, nodes: Sequence[str] | None = None) -> list[PlannedNode]:
    """Tell what `run_local` would do. Nothing is written but to a temporary folder.

    Args:
        config: The configuration, with the digest of the raw files.
        nodes: Node ids to run; None = all.

    Returns:
        The nodes in the order they run.

    Raises:
        InputError: A node needs the output of one that never ran here.
    """
    with tempfile.TemporaryDirectory(prefix="belka-plan-") as folder:
        database = Path(folder) / METADATA_FILE
        if store := store_of_next_run(config.output_dir / METADATA_FILE):
            copy_store(store, database)
        lost = set(forget_lost_results(database))
        before = read_outcomes(database, config.pipeline_name)
        if nodes is not None:
            complete_last_run(database, config.pipeline_name)
        flags = beam_pipeline_args(config.beam, config.system.n_workers)
        with computation({**config.computing(), BEAM_FLAGS: flags}):
            pipeline = create_pipeline(config)
        pipeline.metadata_connection_config = metadata.sqlite_metadata_connection_config(str(database))
        try:
            with keyed_by_places():
                return list(
                    _planned(_compiled(pipeline, nodes, folder), before, lost, cache=config.system.enable_cache)
                )
        except LookupError as error:
            raise missing_results(nodes or (), config.output_dir, str(error)) from error


def _compiled(pipeline: Any, nodes: Sequence[str] | None, root: str) -> Any:
    """The pipeline as LocalDagRunner runs it, but that the launcher makes its folders elsewhere."""
    made = compiler.Compiler().compile(pipeline)
    values = {constants.PIPELINE_RUN_ID_PARAMETER_NAME: _RUN_ID, constants.PIPELINE_ROOT_PARAMETER_NAME: root}
    runtime_parameter_utils.substitute_runtime_parameter(made, values)
    if nodes is not None:
        options = RunOptions(from_nodes=nodes, to_nodes=nodes)
        partial_run_utils.mark_pipeline(made, from_nodes=options.from_nodes, to_nodes=options.to_nodes)
    return made


def _planned(pipeline: Any, before: Mapping[str, NodeOutcome], lost: set[str], *, cache: bool) -> Iterator[PlannedNode]:
    running = set[str]()
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    configs = deployment.metadata_connection_config
    connection = getattr(configs, configs.WhichOneof("connection_config"))
    for each in pipeline.nodes:
        node = each.pipeline_node
        name = node.node_info.id
        if node.execution_options.HasField("skip"):
            continue
        if node.execution_options.run.perform_snapshot:
            with metadata.Metadata(connection) as handle:
                partial_run_utils.snapshot(handle, pipeline)
        outputs = tuple(before[name].outputs.values()) if name in before else ()
        upstream = sorted(running & set(node.upstream_nodes))
        if not upstream:
            started = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, name),
            )
            # What `launch` does before it executes; TFX offers it under no other name, and a test runs it.
            if not started._prepare_execution().is_execution_needed:  # noqa: SLF001
                yield PlannedNode(name, cached=True, reasons=(), outputs=outputs)
                continue
        running.add(name)
        parameters = data_types_utils.build_parsed_value_dict(
            inputs_utils.resolve_parameters_with_schema(node_parameters=node.parameters)
        )
        reasons = tuple(_reasons(parameters, outputs, lost, cache=cache))
        if upstream and outputs and cache:  # else that alone is why
            reasons = (*reasons, f"{', '.join(upstream)} {'run' if len(upstream) > 1 else 'runs'}")
        yield PlannedNode(name, cached=False, reasons=reasons or (_UNKNOWN,), outputs=outputs)


_UNKNOWN = "its inputs are others than those of its last run"


def _reasons(parameters: Mapping[str, Any], outputs: Sequence[Path], lost: set[str], *, cache: bool) -> Iterator[str]:
    if not outputs:
        yield "it has not run here"
        return
    if not cache:
        yield "the cache is off (--no-resume, or system.enable_cache)"
        return
    for folder in outputs:
        if not folder.exists() or str(folder) in lost:
            yield f"its output {folder} is gone or was changed"
            return
    known = next(filter(None, map(_provenance, outputs)), None)
    if known is None:
        yield "its last output does not say how it was made"
        return
    yield from changes(known, plain_settings(parameters), str(parameters.get(CODE_VERSION, "")))


def _provenance(folder: Path) -> Any:
    try:
        return read_provenance(folder)
    except InputError:
        return None
