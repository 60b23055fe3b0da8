"""The configuration: one frozen, strict model. An unknown key or a wrong type is an error that names it."""

import json
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import Node
from belka.settings import DataSettings, StrictSection, SystemSettings, computing, deciding
from components.affinity_evaluator.settings import EvaluationSettings, ReleaseSettings
from components.data_validation.settings import DataValidationSettings
from components.descriptor_sample.settings import DescriptorSettings
from components.ensemble.settings import EnsembleSettings
from pipeline.runners.kubeflow.settings import KubeflowSettings
from pipeline.tracking.settings import TrackingSettings
from trainer_module.settings import ModelSettings, TrainingSettings

# Keys of the section data that are execution parameters by themselves.
RUN_PARAMETERS: Final = ("raw_dir", "raw_digest")


class BeamSettings(StrictSection):
    """Which engine runs Beam."""

    runner: Literal["local", "FlinkRunner", "PortableRunner", "SparkRunner", "DataflowRunner"] = Field(
        default="local", description="local = Beam's in-process runner on this machine."
    )
    options: tuple[str, ...] = Field(
        default=(), strict=False, description="Further Beam options, as on Beam's command line (--flink_master=...)."
    )


class Config(StrictSection):
    """Everything a run depends on."""

    pipeline_name: str = Field(
        default="belka",
        pattern=r"^[a-z][a-z0-9-]{0,21}$",
        description="Lower case; at most 22 characters for Kubeflow.",
    )
    model: ModelSettings = Field(default_factory=ModelSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    ensemble: EnsembleSettings = Field(default_factory=EnsembleSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    fingerprint: FingerprintSettings = Field(default_factory=FingerprintSettings)
    descriptors: DescriptorSettings = Field(default_factory=DescriptorSettings)
    data_validation: DataValidationSettings = Field(default_factory=DataValidationSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    release: ReleaseSettings = Field(default_factory=ReleaseSettings)
    system: SystemSettings = Field(default_factory=SystemSettings)
    beam: BeamSettings = Field(default_factory=BeamSettings)
    kubeflow: KubeflowSettings = Field(default_factory=KubeflowSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)

    @property
    def output_dir(self) -> Path:
        """The folder that receives every result."""
        return Path(self.data.output_dir)

    def anew(self) -> Self:
        """The same, but nothing comes from the cache or from a checkpoint."""
        system = self.system.model_copy(update={"enable_cache": False})
        training = self.training.model_copy(update={"resume": False})
        return self.model_copy(update={"system": system, "training": training})

    def deciding(self) -> dict[Node, str]:
        """What decides the result of each node, as JSON: an execution parameter, and so part of the key of its cache.

        A Trainer gets the settings of its stage instead: `trainer_module.settings.RunSettings`.
        """
        found = {node: deciding(self, node) for node in Node if node is not Node.TRAINER}
        for values in found.values():
            for name in RUN_PARAMETERS:
                values.get("data", {}).pop(name, None)
        return {node: json.dumps(values, sort_keys=True) for node, values in found.items()}

    def computing(self) -> dict[str, Any]:
        """What only says how the nodes compute; the engine and the platform read their own sections."""
        own = ("beam", "kubeflow", "tracking")
        return {name: values for name, values in computing(self).items() if name not in own}
