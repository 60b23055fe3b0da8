"""Names and codes that every part of the pipeline shares: raw columns, molecule columns, label codes, Example features.

This module imports nothing heavy, so that the command line can use it at start-up.
"""

from enum import IntEnum, StrEnum
from typing import Final

# Raw files (source: the Leash BELKA competition's data page).
RAW_ID: Final = "id"
RAW_BLOCKS: Final = ("buildingblock1_smiles", "buildingblock2_smiles", "buildingblock3_smiles")
RAW_SMILES: Final = "molecule_smiles"
RAW_PROTEIN: Final = "protein_name"
RAW_LABEL: Final = "binds"
EXTRA_FILE: Final = "DNA_Labeled_Data.csv"
EXTRA_SMILES: Final = "new_structure"
EXTRA_COUNT: Final = "read_count"
EXTRA_TARGET: Final = "sEH"
DEFAULT_TARGETS: Final = ("BRD4", "HSA", "sEH")

LINKER: Final = "[Dy]"
LINKER_REPLACEMENT: Final = "[H]"

# Labels of one (molecule, protein) pair, int8.
LABEL_NEGATIVE: Final = 0
LABEL_POSITIVE: Final = 1
LABEL_UNKNOWN: Final = 2


class Node(StrEnum):
    """Ids of the pipeline's nodes: lower case with hyphens, as Kubeflow's workflow engine wants them."""

    PARQUET_MERGE = "parquet-merge"
    BLOCK_STATISTICS = "block-statistics"
    SMILES_VOCAB = "smiles-vocab"
    BLOCK_FINGERPRINTS = "block-fingerprints"
    MOLECULE_TRANSFORM = "molecule-transform"
    DESCRIPTOR_SAMPLE = "descriptor-sample"  # only where training.stages has mtr, which trains on it
    SCHEMA_GEN = "schema-gen"
    STATISTICS_GEN = "statistics-gen"
    EXAMPLE_VALIDATOR = "example-validator"
    DISTRIBUTION_VALIDATOR = "distribution-validator"
    ANOMALY_GATE = "anomaly-gate"
    TRAINER = "trainer"  # followed by its stage: trainer-clf
    ENSEMBLE = "ensemble"  # only where model.members names more than the transformer
    AFFINITY_EVALUATOR = "affinity-evaluator"
    PUSHER = "pusher"
    BULK_INFERRER = "bulk-inferrer"
    SUBMISSION_WRITER = "submission-writer"


RAW_READERS: Final = (Node.PARQUET_MERGE, Node.SUBMISSION_WRITER)


class Subset(IntEnum):
    """Which part of the data a molecule belongs to; int8 in the molecules table."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2

    @property
    def split(self) -> str:
        """The TFX split name; `split_folder` names its folder."""
        return self.name.lower()


class SplitGroup(IntEnum):
    """Whether training shows all building blocks of a molecule; int8 in the molecules table and in Examples.

    SHARED: every block occurs in training. NON_SHARED: at least one does not.
    """

    SHARED = 0
    NON_SHARED = 1

    @property
    def label(self) -> str:
        """The name used in reports: `shared` or `non_shared`."""
        return self.name.lower()


def split_folder(split: str) -> str:
    """The folder of a split within an artifact, as TFX names it."""
    return f"Split-{split}"


# Columns of the molecules table: parquet shards `Split-<split>/molecules-NNNNN.parquet` of the Molecules artifact.
MOLECULE_ID: Final = "molecule_id"  # int64, position of the row within the whole table, unique
SMILES: Final = "smiles"  # string, in the one spelling of belka.chemistry.spelling; as given where it is no molecule
SMILES_NO_LINKER: Final = "smiles_no_linker"  # string, [Dy] -> [H]
BINDS: Final = "binds"  # fixed_size_list<int8>[n_targets], codes above
SUBSET: Final = "subset"  # int8, Subset
SPLIT_GROUP: Final = "split_group"  # int8, SplitGroup
BLOCK_IDS: Final = (
    "block1_id",
    "block2_id",
    "block3_id",
)  # int32, rows of blocks.parquet; null where a molecule has no blocks
IDS: Final = "ids"  # fixed_size_list<int64>[n_targets], raw row ids (test rows); null = pair absent

# Files beside the shards in the Molecules artifact.
BLOCKS_FILE: Final = "blocks.parquet"  # block_id int32, smiles string, in_validation bool
TEST_ALIASES_FILE: Final = "test_aliases.parquet"  # id, carrier int64: the id that carries the prediction of the first
SUMMARY_FILE: Final = "summary.json"  # counts: rows, molecules, pairs, conflicts, rejects by reason
CONFLICTS_FILE: Final = "conflicts.parquet"  # pairs with both labels: rows with 0, rows with 1; 1 won
CONFLICT_COLUMNS: Final = ("molecule_smiles", "protein_name", "rows_0", "rows_1")
REJECTED_FILE: Final = "rejected.parquet"
REJECTED_COLUMNS: Final = ("source", "row", "id", "molecule_smiles", "protein_name", "binds", "reason")

# Block statistics: BLOCKS_FILE and PAIRS_FILE with one row per target and block (pair of blocks), and SUMMARY_FILE.
PAIRS_FILE: Final = "pairs.parquet"
ENRICHMENT_FILE: Final = "enrichment.html"
STATISTICS_BLOCK: Final = ("position", "block")  # int8 from 1, canonical SMILES
STATISTICS_PAIR: Final = ("first_position", "first_block", "second_position", "second_block")
STATISTICS_COUNTS: Final = ("molecules", "known", "hits")  # int64: with it, of known label, of label 1
# float64: shrunken log-odds of a hit, their interval, and the log-odds that they are shrunk towards
STATISTICS_ODDS: Final = ("log_odds", "log_odds_low", "log_odds_high", "mean_log_odds")
STATISTICS_TARGET: Final = "target"

# Vocabulary: one token per line; the line number is the token id.
VOCAB_FILE: Final = "vocab.txt"
PAD_TOKEN: Final = "[PAD]"  # noqa: S105 - a token of SMILES, not a secret
MASK_TOKEN: Final = "[MASK]"  # noqa: S105
PAD_ID: Final = 0
MASK_ID: Final = 1  # also the id of every token the vocabulary does not hold
FIRST_TOKEN_ID: Final = 2

# Features of the TFRecord Examples.
FEATURE_MOLECULE_ID: Final = "molecule_id"  # int64 [1]
FEATURE_TOKENS: Final = "tokens"  # int64 [n_tokens], not padded, not truncated
FEATURE_ECFP: Final = "ecfp"  # bytes [1], numpy.packbits (big-endian) of the 0/1 fingerprint, whatever its kind
FEATURE_BLOCKS: Final = "blocks"  # bytes [1], see belka.chemistry.blocks.feature; only where a member asks for it
FEATURE_BINDS: Final = "binds"  # int64 [n_targets]
FEATURE_IDS: Final = "ids"  # int64 [n_targets], -1 = pair absent
FEATURE_SPLIT_GROUP: Final = "split_group"  # int64 [1]
# float32 [n_descriptors], scaled, NaN = not defined; only in the Examples of the stage mtr
FEATURE_DESCRIPTORS: Final = "descriptors"
ABSENT_ID: Final = -1
BLOCK_BITS: Final = 2048  # of each of the three blocks, whatever the fingerprint of the Examples
BLOCKS_BYTES: Final = 3 * BLOCK_BITS // 8  # of `blocks`; or none, where a molecule has no three blocks

# Signatures of the exported model.
SIGNATURE_EXAMPLES: Final = "serving_default"
SIGNATURE_SMILES: Final = "smiles"
SIGNATURE_FEATURES: Final = "features"  # of ensembles: SMILES, ecfp and blocks
OUTPUT_PROBABILITIES: Final = "probabilities"  # float32 [batch, n_targets]
OUTPUT_DESCRIPTORS: Final = "descriptors"  # float32 [batch, n_descriptors], in place of the first, of the stage mtr
OUTPUT_SPREAD: Final = "spread"  # float32 [batch, n_targets], standard deviation over the members of an ensemble


def probability_name(target: str) -> str:
    """The output of a model, and the column of predictions, with the probabilities of one target, float32 [batch].

    TensorFlow sorts outputs by name, and this sorts behind OUTPUT_PROBABILITIES, which stays the first of a signature.
    """
    return f"probability_{target}"


def spread_name(target: str) -> str:
    """The column of predictions with the spread of one target over the members of an ensemble."""
    return f"spread_{target}"


def selected_name(target: str) -> str:
    """The column of predictions that tells whether a row is selected for one target."""
    return f"selected_{target}"


def baseline_predictions_file(name: str) -> str:
    """The file beside predictions.parquet with the predictions of a baseline."""
    return f"{name}_predictions.parquet"


# Files and folders of a trained, exported or pushed model.
SERVING_FOLDER: Final = "Format-Serving"  # TFX's folder of the SavedModel within a Model artifact
SAVED_MODEL_FILE: Final = "saved_model.pb"
DESCRIPTION_FILE: Final = "belka.json"  # see belka.models.description
WEIGHTS_FILE: Final = "belka.weights.h5"
DESCRIPTORS_FILE: Final = "descriptors.json"  # beside Examples with descriptors, and a model of them: their scale
HISTORY_FILE: Final = "history.json"  # one mapping per epoch
TRAINING_BLOCKS_FILE: Final = "training_blocks.parquet"
DRAWS_FILE: Final = "draws.parquet"  # beside the model of a training, see belka.models.draw_scores
SELECTION_FILE: Final = "selection.parquet"  # beside a pushed model, see belka.models.selection_scores
UNSEEN_FILE: Final = "unseen.parquet"  # beside a pushed model: what its training never saw
CHAMPION_FILE: Final = "champion.json"  # beside the pushed versions
SERVED_CONFIG_FILE: Final = "models.config"  # names the version that `belka export` wrote for servers

# Files of the other artifacts.
COUNTS_FILE: Final = "counts.json"  # of Examples: path in the folder -> Examples in the file, its size in bytes
TRANSFORM_SUMMARY_FILE: Final = "transform_summary.json"
ANOMALIES_FILE: Final = "anomalies.json"
EVALUATION_FILE: Final = "evaluation.json"
PREDICTIONS_FILE: Final = "predictions.parquet"
CHAMPION_PREDICTIONS_FILE: Final = "champion_predictions.parquet"  # see also baseline_predictions_file
REPORT_FILE: Final = "report.html"
MODEL_CARD_FILE: Final = "model_card.md"
RELEASE_FOLDER: Final = "release"  # of the blessing: its files are put beside the pushed model
SUBMISSION_FILE: Final = "submission.csv"

PROVENANCE_FILE: Final = "provenance.json"  # of every output folder, see belka.provenance

# Files of the output directory, beside copies of some of the above.
METADATA_FILE: Final = "metadata.db"
CHECKPOINT_STATE_FILE: Final = "state.json"  # of a training: where it is, once the variables beside it are written
METRICS_FILE: Final = "metrics.json"
RESOLVED_CONFIG: Final = "config.yaml"
MODELS_FOLDER: Final = "model"  # of the pushed versions
ENGINE_FOLDER: Final = "beam"  # what steps that Kubeflow runs share with the workers of a Beam engine, while they run

# Custom properties of artifacts.
CHAMPION_PROPERTY: Final = (
    "champion_digest"  # of the blessing: the champion it was judged against; empty = there was none
)
DIGEST_PROPERTY: Final = "model_digest"  # of the pushed model: `belka lineage` finds it by this wherever it was copied
