"""The pipeline: which component feeds which. It knows no platform; runners hand it to one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tfx.components import Pusher
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import bulk_inferrer_pb2, distribution_validator_pb2, pusher_pb2, trainer_pb2
from tfx.types import BaseChannel

from belka.beam_flags import local_beam_flags
from belka.contract import FEATURE_TOKENS, MODELS_FOLDER, OUTPUT_PROBABILITIES, SIGNATURE_EXAMPLES, Node, Subset
from belka.machine import worker_count
from belka.places.names import place_of
from belka.settings import deciding
from components.affinity_evaluator.component import AffinityEvaluator
from components.block_fingerprints.component import BlockFingerprintLearner
from components.block_statistics.component import BlockStatistics
from components.data_validation.component import (
    SCHEMA_FILE,
    AnomalyGate,
    DriftValidator,
    PackagedSchemaGen,
    ShardStatisticsGen,
)
from components.data_validation.settings import DataValidationSettings
from components.descriptor_sample.component import DescriptorSample
from components.ensemble.component import Ensemble
from components.model_pusher.executor import ChampionPusherExecutor
from components.molecule_transform.component import MoleculeTransform
from components.parquet_merge.component import ParquetMerge
from components.recording import versioned
from components.smiles_vocab.component import SmilesVocab
from components.submission_writer.component import SubmissionWriter
from components.tfx_own import RecordedBulkInferrer, RecordedExampleValidator, RecordedTrainer
from pipeline import steps
from pipeline.config.settings import BeamSettings, Config
from trainer_module.settings import MODES, Mode, RunSettings, StageSettings

PREPROCESSING_FN = "trainer_module.preprocessing.preprocessing_fn"
RUN_FN = "trainer_module.run_fn.run_fn"
LAST_STAGE = MODES[-1]  # every run ends with it


class _Prepared(NamedTuple):
    """The nodes that turn raw files into Examples, in the order they run."""

    merge: BaseComponent
    statistics: BaseComponent
    vocabulary: BaseComponent
    blocks: BaseComponent
    transform: BaseComponent


def create_pipeline(config: Config, *, raw_dir: str = "", beam_flags: Sequence[str] = ()) -> Pipeline:
    """Connect the components.

    Args:
        config: The configuration; `data.raw_digest` is part of the cache key of everything downstream.
        raw_dir: `data.raw_dir`, for a platform where a run may name another one. It becomes a parameter, and so part of
            cache keys; without it the folder reaches the nodes with `belka.settings.computation`.
        beam_flags: Beam's flags, for a platform that passes them in the nodes' own arguments; likewise.

    Returns:
        The pipeline, without a metadata store: the runner sets the one of its platform.
    """
    settings = config.deciding()
    prepared = _prepare(settings, raw_digest=config.data.raw_digest or "", raw_dir=raw_dir)
    examples, validated = prepared.transform.outputs["examples"], config.data_validation
    validation = data_validation(validated, settings[Node.ANOMALY_GATE], examples) if validated.is_on else []
    described = _describe(settings, prepared) if steps.DESCRIBED_STAGE in config.training.stages else []
    trainers = _train(config, prepared.transform, described, after=validation[-1:])
    ensemble = _blend(settings, examples, trainers[LAST_STAGE]) if config.model.is_blended else []
    model = [*trainers.values(), *ensemble][-1].outputs["model"]
    evaluator, pusher = _release(settings, prepared, trainers, model, output_dir=config.data.output_dir)
    inferrer, writer = _submit(settings, prepared, model, raw_digest=config.data.raw_digest or "", raw_dir=raw_dir)
    nodes = [*prepared, *described, *validation, *trainers.values(), *ensemble, evaluator, pusher, inferrer, writer]
    return Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root=str(Path(config.data.output_dir) / "pipeline_root"),
        components=list(map(versioned, nodes)),
        enable_cache=config.system.enable_cache,
        beam_pipeline_args=list(beam_flags),
    )


def beam_pipeline_args(beam: BeamSettings, n_workers: int) -> list[str]:
    """Options for every Beam component.

    Args:
        beam: Which engine runs Beam; an existing one is configured by `beam.options` alone.
        n_workers: Worker processes on this machine; 0 = as many as there are cores to use.
    """
    runner = local_beam_flags(worker_count(n_workers)) if beam.runner == "local" else [f"--runner={beam.runner}"]
    return [*runner, *beam.options]


def training_subsets(mode: Mode, *, use_test_molecules: bool) -> tuple[Subset, ...]:
    """What a stage may train on: never the held-out molecules of validation, on which every stage stops early.

    Args:
        mode: The stage.
        use_test_molecules: `training.use_test_molecules`; test molecules have no labels for the stage clf.
    """
    return (Subset.TRAIN, Subset.TEST) if use_test_molecules and mode != LAST_STAGE else (Subset.TRAIN,)


def _prepare(settings: Mapping[Node, str], *, raw_digest: str, raw_dir: str) -> _Prepared:
    """Raw files to molecules, vocabulary and Examples."""
    merge = ParquetMerge(raw_digest=raw_digest, settings=settings[Node.PARQUET_MERGE], raw_dir=raw_dir).with_id(
        Node.PARQUET_MERGE
    )
    molecules = merge.outputs["molecules"]
    statistics = BlockStatistics(molecules=molecules, settings=settings[Node.BLOCK_STATISTICS]).with_id(
        Node.BLOCK_STATISTICS
    )
    vocabulary = SmilesVocab(molecules=molecules, settings=settings[Node.SMILES_VOCAB]).with_id(Node.SMILES_VOCAB)
    blocks = BlockFingerprintLearner(molecules=molecules, settings=settings[Node.BLOCK_FINGERPRINTS]).with_id(
        Node.BLOCK_FINGERPRINTS
    )
    transform = MoleculeTransform(
        molecules=molecules,
        vocabulary=vocabulary.outputs["vocabulary"],
        block_fingerprints=blocks.outputs["block_fingerprints"],
        preprocessing_fn=PREPROCESSING_FN,
        settings=settings[Node.MOLECULE_TRANSFORM],
    ).with_id(Node.MOLECULE_TRANSFORM)
    return _Prepared(merge, statistics, vocabulary, blocks, transform)


def _describe(settings: Mapping[Node, str], prepared: _Prepared) -> list[BaseComponent]:
    """Molecules to Examples with descriptors."""
    sample = DescriptorSample(
        molecules=prepared.merge.outputs["molecules"],
        transform_graph=prepared.transform.outputs["transform_graph"],
        settings=settings[Node.DESCRIPTOR_SAMPLE],
    ).with_id(Node.DESCRIPTOR_SAMPLE)
    return [sample]


def _train(
    config: Config, transform: BaseComponent, described: Sequence[BaseComponent], after: Sequence[BaseComponent]
) -> dict[Mode, BaseComponent]:
    """One Trainer per stage, each from the model of the one before; the first waits for `after`."""
    own_examples = {steps.DESCRIBED_STAGE: described[0].outputs["examples"]} if described else {}
    trainers: dict[Mode, BaseComponent] = {}
    base_model: BaseChannel | None = None
    for mode in config.training.stages:
        stage: StageSettings = getattr(config.training, mode)
        run = RunSettings(
            mode=mode,
            targets=config.data.targets,
            seed=config.system.seed,
            fingerprint=config.fingerprint,
            spelling=config.data.spelling,
            model=config.model,
            training=config.training.for_mode(mode),
            initial_epoch=stage.initial_epoch,
            model_path=stage.model_path,
        )
        subsets = training_subsets(mode, use_test_molecules=config.training.use_test_molecules)
        trainer = RecordedTrainer(
            run_fn=RUN_FN,
            examples=own_examples.get(mode, transform.outputs["examples"]),
            transform_graph=transform.outputs["transform_graph"],
            base_model=base_model,
            train_args=trainer_pb2.TrainArgs(splits=[subset.split for subset in subsets]),
            eval_args=trainer_pb2.EvalArgs(splits=[Subset.VALIDATION.split]),
            custom_config=deciding(run, Node.TRAINER),
        )
        if not trainers:
            trainer.add_upstream_nodes(after)
        trainers[mode] = trainer.with_id(steps.trainer_node(mode))
        base_model = trainer.outputs["model"]
    return trainers


def _blend(settings: Mapping[Node, str], examples: BaseChannel, transformer: BaseComponent) -> list[BaseComponent]:
    """Train the members beside the last stage's model, and make one model of all."""
    ensemble = Ensemble(
        examples=examples, transformer=transformer.outputs["model"], settings=settings[Node.ENSEMBLE]
    ).with_id(Node.ENSEMBLE)
    return [ensemble]


def _release(
    settings: Mapping[Node, str],
    prepared: _Prepared,
    trainers: Mapping[Mode, BaseComponent],
    model: BaseChannel,
    *,
    output_dir: str,
) -> tuple[BaseComponent, BaseComponent]:
    """Judge the model, and push it when it passes."""
    # Part of cache keys: it must not change with the folder in which a store is worked on.
    models_dir = f"{place_of(output_dir)}/{MODELS_FOLDER}"
    evaluator = AffinityEvaluator(
        examples=prepared.transform.outputs["examples"],
        molecules=prepared.merge.outputs["molecules"],
        model=model,
        settings=settings[Node.AFFINITY_EVALUATOR],
        champion_dir=models_dir,
        **{f"{mode}_run": trainer.outputs["model_run"] for mode, trainer in trainers.items()},
    ).with_id(Node.AFFINITY_EVALUATOR)
    pusher = Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(filesystem={"base_directory": models_dir}),
        custom_executor_spec=ExecutorClassSpec(ChampionPusherExecutor),
    ).with_id(Node.PUSHER)
    return evaluator, pusher


def _submit(
    settings: Mapping[Node, str], prepared: _Prepared, model: BaseChannel, *, raw_digest: str, raw_dir: str
) -> tuple[BaseComponent, BaseComponent]:
    """Score the test split and write the submission."""
    column = bulk_inferrer_pb2.PredictOutputCol(output_key=OUTPUT_PROBABILITIES, output_column=OUTPUT_PROBABILITIES)
    predict = bulk_inferrer_pb2.PredictOutput(output_columns=[column])
    columns = bulk_inferrer_pb2.OutputColumnsSpec(signature_name=SIGNATURE_EXAMPLES, predict_output=predict)
    inferrer = RecordedBulkInferrer(
        examples=prepared.transform.outputs["examples"],
        model=model,
        data_spec=bulk_inferrer_pb2.DataSpec(example_splits=[Subset.TEST.split]),
        model_spec=bulk_inferrer_pb2.ModelSpec(model_signature_name=[SIGNATURE_EXAMPLES]),
        output_example_spec=bulk_inferrer_pb2.OutputExampleSpec(output_columns_spec=[columns]),
    ).with_id(Node.BULK_INFERRER)
    writer = SubmissionWriter(
        predictions=inferrer.outputs["output_examples"],
        molecules=prepared.merge.outputs["molecules"],
        rejected=prepared.transform.outputs["rejected"],
        settings=settings[Node.SUBMISSION_WRITER],
        raw_digest=raw_digest,
        raw_dir=raw_dir,
    ).with_id(Node.SUBMISSION_WRITER)
    return inferrer, writer


def data_validation(settings: DataValidationSettings, gate_settings: str, examples: BaseChannel) -> list[BaseComponent]:
    """Connect the validators of the Examples.

    Args:
        settings: The section `data_validation`; it must not be off.
        gate_settings: What decides the result of the gate, as JSON.
        examples: From MoleculeTransform.

    Returns:
        The components in the order they run; the last one stops the run on anomalies.
    """
    drift_config = distribution_validator_pb2.DistributionValidatorConfig()
    feature = drift_config.default_slice_config.feature.add()
    feature.path.step.append(FEATURE_TOKENS)
    feature.distribution_comparator.jensen_shannon_divergence.threshold = settings.drift_threshold
    schema = PackagedSchemaGen(schema_file=SCHEMA_FILE).with_id(Node.SCHEMA_GEN)
    statistics = ShardStatisticsGen(
        examples, schema.outputs["schema"], sample_rates={subset.split: settings.sample_rate for subset in Subset}
    ).with_id(Node.STATISTICS_GEN)
    matches = RecordedExampleValidator(statistics.outputs["statistics"], schema.outputs["schema"]).with_id(
        Node.EXAMPLE_VALIDATOR
    )
    drift = DriftValidator(
        statistics.outputs["statistics"],
        drift_config,
        include_split_pairs=[(subset.split, Subset.TRAIN.split) for subset in (Subset.VALIDATION, Subset.TEST)],
    ).with_id(Node.DISTRIBUTION_VALIDATOR)
    gate = AnomalyGate(
        schema_anomalies=matches.outputs["anomalies"],
        drift_anomalies=drift.outputs["anomalies"],
        settings=gate_settings,
    ).with_id(Node.ANOMALY_GATE)
    return [schema, statistics, matches, drift, gate]
