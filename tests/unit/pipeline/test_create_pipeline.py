"""Beam's options follow the configuration, and every node has a version and leaves its provenance."""

from typing import Final

from belka.code_version import code_version
from components.recording import Recording, executed_modules
from pipeline.config.settings import BeamSettings, Config
from pipeline.create_pipeline import beam_pipeline_args, create_pipeline
from trainer_module.settings import MODES, ModelSettings, TrainingSettings

_VALIDATION: Final = ("components.data_validation.component",)
_TRAINER: Final = ("components.tfx_own", "trainer_module.run_fn")
# Node -> the modules it starts from.
NODES: Final = {
    "parquet-merge": ("components.parquet_merge.component",),
    "block-statistics": ("components.block_statistics.component",),
    "smiles-vocab": ("components.smiles_vocab.component",),
    "block-fingerprints": ("components.block_fingerprints.component",),
    "molecule-transform": ("components.molecule_transform.executor", "trainer_module.preprocessing"),
    "descriptor-sample": ("components.descriptor_sample.component",),
    "schema-gen": _VALIDATION,
    "statistics-gen": _VALIDATION,
    "example-validator": ("components.tfx_own",),
    "distribution-validator": _VALIDATION,
    "anomaly-gate": _VALIDATION,
    "trainer-mlm": _TRAINER,
    "trainer-mtr": _TRAINER,
    "trainer-fps": _TRAINER,
    "trainer-clf": _TRAINER,
    "ensemble": ("components.ensemble.component",),
    "affinity-evaluator": ("components.affinity_evaluator.component",),
    "pusher": ("components.model_pusher.executor",),
    "bulk-inferrer": ("components.tfx_own",),
    "submission-writer": ("components.submission_writer.component",),
}


BLENDED: Final = Config(model=ModelSettings(members=("transformer", "linear")))
# With every node there is.
WHOLE: Final = BLENDED.model_copy(update={"training": TrainingSettings(stages=MODES)})


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


def test_every_node_records_what_it_leaves_and_has_the_version_of_what_it_imports() -> None:
    nodes = {node.id: node for node in create_pipeline(WHOLE).components}
    assert nodes.keys() == NODES.keys()
    assert all(issubclass(node.executor_spec.executor_class, Recording) for node in nodes.values())
    for name, starts in NODES.items():
        parameters = nodes[name].exec_properties
        assert executed_modules(nodes[name].executor_spec.executor_class, parameters) == starts
        assert (parameters["node"], parameters["code_version"]) == (name, code_version(*starts))
    assert len({node.exec_properties["code_version"] for node in nodes.values()}) == len(set(NODES.values()))


def test_the_ensemble_is_what_is_judged_pushed_and_served() -> None:
    for config, maker in ((Config(), "trainer-clf"), (BLENDED, "ensemble")):
        nodes = {node.id: node for node in create_pipeline(config).components}
        assert ("ensemble" in nodes) is (maker == "ensemble")
        for name in ("affinity-evaluator", "pusher", "bulk-inferrer"):
            assert nodes[name].inputs["model"].producer_component_id == maker, name


def test_members_repeat_no_training_of_the_transformer() -> None:
    plain, blended = ({node.id: node for node in create_pipeline(each).components} for each in (Config(), BLENDED))
    for name in ("trainer-mlm", "trainer-fps", "trainer-clf"):
        assert plain[name].exec_properties["custom_config"] == blended[name].exec_properties["custom_config"]
