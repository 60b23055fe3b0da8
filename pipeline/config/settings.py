"""The configuration: one frozen, strict model. An unknown key or a wrong type is an error that names it."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from belka.chemistry.fingerprints import KINDS, FingerprintKind, size_problem
from belka.contract import DEFAULT_TARGETS, EXTRA_TARGET
from pipeline.runners.kubeflow.settings import KubeflowSettings
from trainer_module.settings import ModelSettings, TrainingSettings

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Target = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class _Section(BaseModel):
    """A frozen section that refuses unknown keys and silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataSettings(_Section):
    """Where the data are, how they are split, and what is stored for training."""

    raw_dir: str = Field(default="data", min_length=1, description="Folder of train and test (parquet or csv).")
    raw_fingerprint: str | None = Field(
        default=None,
        description="Content of the raw files as one text: part of the cache key. null = the local runner reads the files.",
    )
    output_dir: str = Field(default="output", min_length=1, description="Folder that receives every result.")
    targets: tuple[Target, ...] = Field(
        default=DEFAULT_TARGETS,
        min_length=1,
        strict=False,
        description="Proteins, in the order of the model's outputs.",
    )
    use_extra_data: bool = Field(
        default=True,
        description=f"Use DNA_Labeled_Data.csv where it lies in raw_dir ({EXTRA_TARGET} labels, training only).",
    )
    validation_block_share: Share = Field(
        default=0.03, description="Share of all building blocks held out; a molecule with any of them is validation."
    )
    validation_shared_share: Share = Field(
        default=0.0, description="Share of the remaining molecules that becomes validation with blocks training knows."
    )
    max_rejected_share: Share = Field(default=0.01, description="Share of unusable rows above which the run stops.")
    rejected_prediction: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Probability written for test rows that could not be used."
    )
    rows_per_shard: int = Field(default=1_000_000, ge=1_000, description="Molecules per parquet or TFRecord shard.")
    compression: Literal["gzip", "none"] = Field(default="gzip", description="Compression of the TFRecords.")
    fingerprint: FingerprintKind = Field(
        default="ecfp",
        description=f"Fingerprint of the Examples, the one the stage fps predicts and model.ecfp_branch reads: {', '.join(KINDS)}. "
        "All but ecfp are computed by scikit-fingerprints, each from its SMILES; docs/fingerprints.md says what each is and costs.",
    )
    ecfp_size: int = Field(
        default=2048,
        ge=64,
        multiple_of=8,
        description="Bits of the fingerprint, of whatever kind; maccs has 168 and pubchem 888, no others.",
    )
    ecfp_radius: int = Field(
        default=2,
        ge=0,
        le=6,
        description="Bonds around each atom (ECFP4 has radius 2); no effect but on ecfp and fcfp.",
    )
    ecfp_chirality: bool = Field(
        default=True,
        description="Whether stereo centres change the fingerprint; no effect on rdkit, avalon, maccs and pubchem, which do not see them."
        " Atom pairs of enantiomers collide in 512, 1024 and 2048 bits, not in 4096.",
    )
    ecfp_method: Literal["auto", "direct"] = Field(
        default="auto",
        description="auto: fingerprints are put together from building blocks where that is exact; direct: RDKit computes each from its SMILES. "
        "No effect on other kinds than ecfp.",
    )

    @model_validator(mode="after")
    def _fingerprint_has_its_size(self) -> Self:
        problem = size_problem(self.fingerprint, self.ecfp_size)
        if problem:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _targets_are_distinct(self) -> Self:
        if len(set(self.targets)) != len(self.targets):
            msg = f"targets must be distinct, received {list(self.targets)}"
            raise ValueError(msg)
        return self


class EvaluationSettings(_Section):
    """What a model must reach to be pushed."""

    min_mean_average_precision: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Mean average precision on validation below which a model is not pushed.",
    )
    slice_floors: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(
        default_factory=dict,
        description="Least average precision of single slices: {BRD4/shared: 0.3, sEH/non_shared: 0.1}.",
    )
    max_slice_regression: float = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description="Average precision that any slice may lose against the pushed model; on the mean a model must be better.",
    )
    bootstrap_samples: int = Field(default=1000, ge=1, description="Resamples behind each confidence interval.")
    confidence: float = Field(default=0.95, gt=0.0, lt=1.0, description="Confidence of the intervals.")
    batch_size: int = Field(default=1024, ge=1, description="Molecules scored at once.")


class DataValidationSettings(_Section):
    """What TFX's validators look at before training starts."""

    on_anomaly: Literal["fail", "warn", "off"] = Field(
        default="fail", description="fail: anomalies stop the run; warn: they are logged; off: nothing is looked at."
    )
    sample_rate: float = Field(
        default=0.02,
        gt=0.0,
        le=1.0,
        description="Share of each split's shards behind the statistics, at least one shard; shards are shuffled.",
    )
    drift_threshold: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description="Largest Jensen-Shannon divergence of the tokens of validation and test from those of train.",
    )

    @property
    def is_on(self) -> bool:
        """Whether the pipeline has the validators."""
        return self.on_anomaly != "off"


class SystemSettings(_Section):
    """What the machine gives."""

    seed: int = Field(
        default=42, ge=0, le=2**31 - 1, description="Seed of splits, shuffles, initial weights and dropout."
    )
    n_workers: int = Field(default=0, ge=0, description="Worker processes and threads; 0 = all cores.")
    memory_limit_gb: float = Field(default=4.0, gt=0.5, description="Memory of the merge, GB.")
    spill_dir: str | None = Field(default=None, description="Folder for spilled data; null = below output_dir.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Level of the log file."
    )
    enable_cache: bool = Field(default=True, description="Serve a step from the cache when its inputs did not change.")


class BeamSettings(_Section):
    """Which engine runs Beam."""

    runner: Literal["local", "FlinkRunner", "PortableRunner", "SparkRunner", "DataflowRunner"] = Field(
        default="local", description="local = Beam's in-process runner on this machine."
    )
    options: tuple[str, ...] = Field(
        default=(), strict=False, description="Further Beam options, as on Beam's command line (--flink_master=...)."
    )


class Config(_Section):
    """Everything a run depends on."""

    pipeline_name: str = Field(
        default="belka",
        pattern=r"^[a-z][a-z0-9-]{0,21}$",
        description="Lower case; at most 22 characters for Kubeflow.",
    )
    model: ModelSettings = Field(default_factory=ModelSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    data_validation: DataValidationSettings = Field(default_factory=DataValidationSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    system: SystemSettings = Field(default_factory=SystemSettings)
    beam: BeamSettings = Field(default_factory=BeamSettings)
    kubeflow: KubeflowSettings = Field(default_factory=KubeflowSettings)

    @property
    def output_dir(self) -> Path:
        """The folder that receives every result."""
        return Path(self.data.output_dir)
