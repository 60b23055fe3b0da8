"""Compile the pipeline for Kubeflow Pipelines v2: TFX's KubeflowV2DagRunner, then what it leaves out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml
from kfp import components as kfp_components
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig
from tfx.orchestration.pipeline import Pipeline

from belka.contract import ENGINE_FOLDER, EVALUATION_FILE, RAW_READERS, REPORT_FILE, Node
from belka.files import atomic_path
from pipeline import steps
from pipeline.config.settings import RUN_PARAMETERS, BeamSettings, Config
from pipeline.create_pipeline import beam_pipeline_args, create_pipeline
from pipeline.runners.kubeflow import postprocess
from pipeline.runners.kubeflow.displays import HTML, METRICS, Display
from pipeline.runners.kubeflow.engine import ENGINE_NODES, check_engine, send_to_engine
from pipeline.runners.kubeflow.lint import check_beam_options, check_folders, check_local, check_settings, check_spec
from pipeline.runners.kubeflow.platform import platform_document
from pipeline.runners.kubeflow.runtime_settings import expose_settings
from pipeline.runners.kubeflow.settings import KubeflowSettings

ENTRYPOINT: Final = ("python", "-m", "pipeline.runners.kubeflow.entrypoint")
DATA_FOLDERS: Final = ("raw_dir", "output_dir")
LISTERS: Final = (Node.PARQUET_MERGE, Node.MOLECULE_TRANSFORM)  # of what they refused, in output_dir
MODEL_USERS: Final = (Node.AFFINITY_EVALUATOR, Node.PUSHER)  # of the pushed model, in output_dir
DISPLAYS: Final[Mapping[str, Sequence[Display]]] = {
    Node.AFFINITY_EVALUATOR: (
        Display("metrics", METRICS, "evaluation", EVALUATION_FILE),
        Display("report", HTML, "evaluation", REPORT_FILE),
    )
}


@dataclass(frozen=True)
class CompiledPipeline:
    """What `belka compile` writes.

    Attributes:
        spec: The pipeline, pipeline_spec.proto as JSON.
        platform: The platform document, as JSON.
        warnings: What may be meant so but usually is not.
    """

    spec: dict[str, Any]
    platform: dict[str, Any]
    warnings: tuple[str, ...]

    def as_yaml(self) -> str:
        """Both documents as the text that Kubeflow Pipelines takes."""
        return yaml.safe_dump_all([self.spec, self.platform], sort_keys=True)

    def write(self, target: Path) -> None:
        """Write the YAML file."""
        with atomic_path(target) as temporary:
            temporary.write_text(self.as_yaml(), encoding="utf-8")


def compile_config(config: Config) -> CompiledPipeline:
    """Compile the pipeline of a configuration.

    Args:
        config: The configuration; relative folders of `data` lie below the first of `kubeflow.volumes`.

    Raises:
        InputError: The cluster would refuse the pipeline, or run it wrongly.
    """
    seen = on_cluster(config)
    settings = seen.kubeflow
    engine = None if seen.beam.runner == "local" else beam_pipeline_args(seen.beam, 0)
    if engine:
        check_engine(seen.beam)
    in_pod = seen.beam if engine is None else BeamSettings()
    flags = beam_pipeline_args(in_pod, seen.system.n_workers)
    pipeline = create_pipeline(seen, raw_dir=seen.data.raw_dir, beam_flags=flags)
    trained = steps.step_nodes(steps.Step.TRAIN_MODEL, seen.training.stages, blended=seen.model.is_blended)
    writers = (*LISTERS, *MODEL_USERS, *trained, *(ENGINE_NODES if engine else ()))
    folders = {"data.raw_dir": (seen.data.raw_dir, RAW_READERS), "data.output_dir": (seen.data.output_dir, writers)}
    check_folders(settings, folders)
    compiled = compile_pipeline(pipeline, settings, DISPLAYS)
    postprocess.expose_parameters(compiled.spec, RUN_PARAMETERS)
    if engine:
        folder = str(PurePosixPath(seen.data.output_dir) / ENGINE_FOLDER)
        send_to_engine(compiled.spec, ENGINE_NODES, engine, folder)
    values = seen.computing()
    del values["data"]["raw_dir"]  # a parameter here
    postprocess.set_computation(compiled.spec, settings, values, by_cores=not config.system.n_workers)
    # Nor can it see whether a pushed model is still on its volume; where it is, pushing it again takes no time.
    postprocess.forbid_cache(compiled.spec, (Node.PUSHER,))
    if seen.data.raw_digest is None:
        # The cluster cannot see whether files changed: unless their content has a name, their readers are never cached.
        postprocess.forbid_cache(compiled.spec, RAW_READERS)
        warning = (
            "data.raw_digest is null: every run reads the raw files anew and repeats what depends on them; name their "
            "content (--set data.raw_digest=2026-01-release) to let the cache serve unchanged data."
        )
        compiled = replace(compiled, warnings=(*compiled.warnings, warning))
    return compiled


def compile_pipeline(
    pipeline: Pipeline, settings: KubeflowSettings, displays: Mapping[str, Sequence[Display]]
) -> CompiledPipeline:
    """Compile any TFX pipeline.

    Args:
        pipeline: The pipeline; node ids as Kubeflow wants them.
        settings: The section `kubeflow` of the configuration.
        displays: Node id -> outputs that Kubeflow's pages draw.

    Raises:
        InputError: The cluster would refuse the pipeline.
    """
    nodes = [component.id for component in pipeline.components]
    warnings = check_settings(settings, nodes)
    check_beam_options(pipeline.beam_pipeline_args)
    images = {node: settings.node_image(node) for node in nodes}
    runner = KubeflowV2DagRunner(
        config=KubeflowV2DagRunnerConfig(
            default_image={**images, "default_image_path": settings.image},
            default_commands=list(ENTRYPOINT),
            use_pipeline_spec_2_1=True,
        )
    )
    spec: dict[str, Any] = runner.run(pipeline, write_out=False)["pipelineSpec"]
    values = [(node.id, *item) for node in pipeline.components for item in node.exec_properties.items()]
    postprocess.type_booleans(spec, [(node, name) for node, name, value in values if isinstance(value, bool)])
    runtime = [value for _, _, value in values if isinstance(value, RuntimeParameter) and value.default is not None]
    postprocess.restore_defaults(spec, {value.name: value.default for value in runtime})
    postprocess.wire_dynamic_parameters(spec)
    postprocess.wire_conditions(spec)
    postprocess.shorten(spec)
    postprocess.set_pods(spec, settings)
    postprocess.add_displays(spec, displays)
    expose_settings(spec)
    if settings.pipeline_root is not None:
        spec["defaultPipelineRoot"] = settings.pipeline_root
    check_spec(spec)
    compiled = CompiledPipeline(spec, platform_document(spec, settings), tuple(warnings))
    kfp_components.load_component_from_text(compiled.as_yaml())  # what the client and the UI would refuse, it refuses
    return compiled


def on_cluster(config: Config) -> Config:
    """The configuration as the pods see it.

    Relative folders lie below the first volume. `system.n_workers` 0 becomes the cores of the pod that makes the
    dataset: Beam's options are written at compile time, when this machine's cores are the only ones to be counted.

    Raises:
        InputError: A folder is a URI.
    """
    settings, system = config.kubeflow, config.system
    update: dict[str, Any] = {}
    for name in DATA_FOLDERS:
        check_local(f"data.{name}", getattr(config.data, name))
    if settings.volumes:
        mount = PurePosixPath(settings.volumes[0].mount_path)
        folders = {name: str(mount / getattr(config.data, name)) for name in DATA_FOLDERS}
        update["data"] = config.data.model_copy(update=folders)
    if not system.n_workers:
        cores = max(1, int(settings.node(Node.MOLECULE_TRANSFORM).cpu))
        update["system"] = system.model_copy(update={"n_workers": cores})
    return config.model_copy(update=update)
