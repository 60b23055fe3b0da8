"""SmilesVocab and MoleculeTransform as TFX components under LocalDagRunner, with SQLite metadata and caching."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Execution
from skfp.fingerprints import ECFPFingerprint
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import Node
from belka.models.members import MemberKind
from components.artifact_types import Molecules, Rejections
from components.block_fingerprints.component import BlockFingerprintLearner
from components.molecule_transform.component import MoleculeTransform
from components.smiles_vocab.component import SmilesVocab
from pipeline.config.settings import Config
from trainer_module.settings import ModelSettings

N_MOLECULES = {"train": 300, "test": 40}
BEAM_ARGS = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]


def write_molecules(folder: Path) -> None:
    first = 0
    for split, n in N_MOLECULES.items():
        smiles = [f"{'C' * (1 + i % 9)}C(=O)N[Dy]" if i else "C1CC" for i in range(n)]
        ids = [[3 * i, None, 3 * i + 2] if split == "test" else [None] * 3 for i in range(n)]
        table = pa.table(
            {
                "molecule_id": pa.array(range(first, first + n), pa.int64()),
                "smiles": smiles,
                "smiles_no_linker": [text.replace("[Dy]", "[H]") for text in smiles],
                "binds": pa.array([[0, 1, 2]] * n, pa.list_(pa.int8(), 3)),
                "split_group": pa.array([1] * n, pa.int8()),
                "ids": pa.array(ids, pa.list_(pa.int64(), 3)),
            }
        )
        path = folder / f"Split-{split}" / "molecules-00000.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path)
        first += n


def make_pipeline(folder: Path, kind: str = "ecfp", members: tuple[MemberKind, ...] = ("transformer",)) -> Pipeline:
    fingerprint = FingerprintSettings(kind=kind, size=2048, method="direct")
    config = Config(fingerprint=fingerprint, model=ModelSettings(members=members))
    molecules = Importer(source_uri=str(folder / "molecules"), artifact_type=Molecules).with_id("molecules")
    vocab = SmilesVocab(molecules=molecules.outputs["result"]).with_id("smiles-vocab")
    blocks = BlockFingerprintLearner(
        molecules=molecules.outputs["result"],
        settings=config.deciding()[Node.BLOCK_FINGERPRINTS],
    ).with_id("block-fingerprints")
    transform = MoleculeTransform(
        molecules=molecules.outputs["result"],
        vocabulary=vocab.outputs["vocabulary"],
        block_fingerprints=blocks.outputs["block_fingerprints"],
        preprocessing_fn="trainer_module.preprocessing.preprocessing_fn",
        settings=config.deciding()[Node.MOLECULE_TRANSFORM],
    ).with_id("molecule-transform")
    return Pipeline(
        pipeline_name="transform-test",
        pipeline_root=str(folder / "root"),
        components=[molecules, vocab, blocks, transform],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(folder / "metadata.db")),
        beam_pipeline_args=BEAM_ARGS,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transform-pipeline")
    write_molecules(folder / "molecules")
    LocalDagRunner().run(make_pipeline(folder))
    return folder


def store_of(folder: Path) -> MetadataStore:
    return MetadataStore(metadata.sqlite_metadata_connection_config(str(folder / "metadata.db")))


def test_examples_are_found_and_read_the_way_tfx_does(folder: Path) -> None:
    (examples,) = store_of(folder).get_artifacts_by_type(standard_artifacts.Examples.TYPE_NAME)
    assert examples.properties["split_names"].string_value == '["train", "validation", "test"]'
    assert examples.custom_properties["payload_format"].string_value == "FORMAT_TF_EXAMPLE"
    counts = {}
    for split in ("train", "validation", "test"):
        files = tf.io.gfile.glob(f"{examples.uri}/Split-{split}/*")
        records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
        parsed = tf.io.parse_example(
            tf.constant(records, tf.string, shape=[len(records)]),
            {
                "tokens": tf.io.RaggedFeature(tf.int64),
                "ecfp": tf.io.FixedLenFeature([], tf.string),
                "ids": tf.io.FixedLenFeature([3], tf.int64),
                "binds": tf.io.FixedLenFeature([3], tf.int64),
            },
        )
        counts[split] = len(parsed["ids"])
        assert all(len(packed) == 256 for packed in parsed["ecfp"].numpy())
        assert (parsed["tokens"].row_lengths().numpy() >= 8).all()
    assert counts == {"train": 299, "validation": 0, "test": 39}


def test_transform_graph_and_rejections_are_published(folder: Path) -> None:
    store = store_of(folder)
    (graph,) = store.get_artifacts_by_type(standard_artifacts.TransformGraph.TYPE_NAME)
    output = tft.TFTransformOutput(graph.uri)
    assert set(output.raw_feature_spec()) == {"smiles"}
    assert output.transform_raw_features({"smiles": tf.constant(["CC"])})["tokens"].row_lengths().numpy() == [2]
    (rejections,) = store.get_artifacts_by_type(Rejections.TYPE_NAME)
    rows = pq.read_table(Path(rejections.uri) / "rejected.parquet").to_pylist()
    assert [(row["source"], row["id"]) for row in rows] == [("train", None), ("test", "0"), ("test", "2")]


def states_of(store: MetadataStore, component: str) -> list[str]:
    (type_name,) = (kind.name for kind in store.get_execution_types() if kind.name.endswith(component))
    runs = sorted(store.get_executions_by_type(type_name), key=lambda run: run.id)
    return [Execution.State.Name(run.last_known_state) for run in runs]


def test_second_run_comes_from_the_cache(folder: Path) -> None:
    before = store_of(folder).get_artifacts_by_type(standard_artifacts.Examples.TYPE_NAME)
    LocalDagRunner().run(make_pipeline(folder))
    store = store_of(folder)
    assert store.get_artifacts_by_type(standard_artifacts.Examples.TYPE_NAME) == before
    assert states_of(store, "MoleculeTransform") == ["COMPLETE", "CACHED"]


def test_another_kind_of_fingerprint_is_computed_and_not_taken_from_the_cache(folder: Path) -> None:
    """Size, radius and chirality stay: the kind alone makes the difference. And a member asks for blocks."""
    LocalDagRunner().run(make_pipeline(folder, "fcfp", ("transformer", "net")))
    store = store_of(folder)
    assert states_of(store, "SmilesVocab")[-1] == "CACHED"
    assert [states_of(store, name)[-1] for name in ("BlockFingerprintLearner", "MoleculeTransform")] == ["COMPLETE"] * 2
    first, *_, last = sorted(store.get_artifacts_by_type(standard_artifacts.Examples.TYPE_NAME), key=lambda a: a.id)
    packed = []
    for examples in (first, last):
        files = sorted(tf.io.gfile.glob(f"{examples.uri}/Split-test/*"))
        records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
        parsed = tf.io.parse_example(records, {"ecfp": tf.io.FixedLenFeature([], tf.string)})
        packed.append(parsed["ecfp"].numpy().tolist())
        of_blocks = [tf.train.Example.FromString(record).features.feature for record in records]
        found = [list(feature["blocks"].bytes_list.value) if "blocks" in feature else None for feature in of_blocks]
        assert found == [None if examples is first else [b""]] * len(records)  # none of them is of the library
    smiles = [f"{'C' * (1 + i % 9)}C(=O)N[H]" for i in range(1, N_MOLECULES["test"])]
    for bits, pharmacophoric in zip(packed, (False, True), strict=True):
        oracle = ECFPFingerprint(use_pharmacophoric_invariants=pharmacophoric, include_chirality=True)
        assert bits == [row.tobytes() for row in np.packbits(oracle.transform(smiles), axis=1)]
