"""Examples of a raw folder as the pipeline makes them, for whatever trains on real labels again and again."""

from dataclasses import dataclass
from pathlib import Path

from belka.contract import TRANSFORM_SUMMARY_FILE, Subset
from belka.examples import list_examples
from belka.machine import worker_count
from belka.models.members import needs_blocks
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
