"""Examples of a raw folder as the pipeline makes them, and the molecules of which draws are made."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from belka.contract import TRANSFORM_SUMMARY_FILE, Subset
from belka.examples import list_examples
from belka.machine import worker_count
from belka.models.members import needs_blocks
from components.ensemble.training_data import LabelledMolecules, read_molecules
from pipeline.config.settings import Config


@dataclass(frozen=True)
class SampleData:
    """Where the pipeline's plain functions left their results.

    Attributes:
        examples_dir: TFRecord Examples by split.
        transform_graph_dir: The transform graph with vocab.txt.
    """

    examples_dir: Path
    transform_graph_dir: Path

    def files(self, *subsets: Subset) -> tuple[str, ...]:
        """The TFRecord files of some splits, in the order of their names."""
        return tuple(str(path) for subset in subsets for path in list_examples(self.examples_dir, subset.split))


def without_validation(config: Config) -> Config:
    """The configuration with all labelled molecules in training: draws hold out what is scored."""
    shares = {"validation_block_share": 0.0, "validation_shared_share": 0.0}
    return config.model_copy(update={"data": config.data.model_copy(update=shares)})


@cache
def molecules_of_draws(examples_dir: Path, n_targets: int, most: int, seed: int) -> LabelledMolecules:
    """The molecules of which draws are made: those of training with a label and with blocks, of many a sample.

    Args:
        examples_dir: From `make_sample_data`.
        n_targets: Number of targets.
        most: Molecules of the sample.
        seed: Of the sample.
    """
    found = read_molecules(
        list_examples(examples_dir, Subset.TRAIN.split),
        n_targets=n_targets,
        max_molecules=most,
        seed=seed,
        with_blocks=True,
    )
    return found.take(found.has_blocks)


def make_sample_data(config: Config, seed: int, folder: Path) -> SampleData:
    """Merge, scan the vocabulary and write Examples, unless `folder` holds them already.

    Args:
        config: Where the raw files are, how blocks are held out, what the fingerprint is.
        seed: Seed of the held-out blocks; takes the place of `config.system.seed`.
        folder: Receives everything.
    """
    made = SampleData(folder / "examples", folder / "graph")
    if (folder / "rejected" / TRANSFORM_SUMMARY_FILE).is_file():
        return made
    # Beam and TFX take long to import, and most processes find the Examples made.
    from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
    from components.molecule_transform.unit import ModelReads
    from components.parquet_merge.merge import merge_raw_files
    from components.smiles_vocab.build import build_vocabulary
    from pipeline.create_pipeline import PREPROCESSING_FN

    molecules, vocabulary = folder / "molecules", folder / "vocabulary"
    system = config.system.model_copy(update={"seed": seed, "spill_dir": None})
    merge_raw_files(Path(config.data.raw_dir), molecules, data=config.data, system=system)
    build_vocabulary(molecules, vocabulary, n_workers=worker_count(system.n_workers))
    transform_molecules(
        TransformInputs(molecules, vocabulary),
        TransformOutputs(made.examples_dir, made.transform_graph_dir, folder / "rejected"),
        data=config.data,
        fingerprint=config.fingerprint,
        reads=ModelReads(config.model.max_length, needs_blocks(config.model.members)),
        preprocessing_fn=PREPROCESSING_FN,
    )
    return made
