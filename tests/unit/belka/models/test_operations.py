"""A model that would do more than compute is refused before it is loaded, wherever in it that is hidden."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from belka.contract import OUTPUT_PROBABILITIES
from belka.errors import BelkaError, InputError
from belka.models.loader import Signature
from belka.models.operations import check_operations, trusted_models

SMILES = tf.TensorSpec([None], tf.string, "smiles")
Effect = Callable[[Any], Any]


class Model(tf.Module):
    """Gives every molecule one probability, after an effect on what it reads."""

    def __init__(self, effect: Effect) -> None:
        super().__init__()
        self.value, self.effect = tf.Variable(0.25), effect
        table = tf.lookup.KeyValueTensorInitializer(["C", "O"], [0, 1])
        self.table = tf.lookup.StaticHashTable(table, -1)

    @tf.function(input_signature=[SMILES])
    def score(self, smiles: Any) -> dict[str, Any]:
        with tf.control_dependencies([self.effect(smiles)]):
            found = tf.cast(self.table.lookup(tf.strings.substr(smiles, 0, 1)), tf.float32)
        bits = tf.cast(tf.io.decode_raw(smiles, tf.uint8), tf.float32)
        scores = tf.gather(tf.constant([0.0, 1.0]), tf.cast(tf.abs(found), tf.int32)) * tf.reduce_sum(bits) * 0.0
        return {OUTPUT_PROBABILITIES: scores[:, None] + self.value}


def saved(folder: Path, effect: Effect) -> Path:
    model = Model(effect)
    tf.saved_model.save(model, str(folder), signatures={"score": model.score})
    return folder


def test_what_models_compute_is_loaded(tmp_path: Path) -> None:
    assert Signature(saved(tmp_path, tf.size), "score")(["C"]).tolist() == [[0.25]]


def in_a_branch(smiles: Any) -> Any:
    write = lambda: [tf.io.write_file("/tmp/never", "x"), tf.constant(1)][1]  # noqa: E731, S108 - never written
    return tf.cond(tf.size(smiles) > 10**6, write, lambda: tf.constant(0))


ATTACKS: dict[str, tuple[str, Effect]] = {
    "a file is written": ("WriteFile", lambda smiles: tf.io.write_file(smiles[0], "x")),
    "a file is written in a branch": ("WriteFile", in_a_branch),
    "a file is read": ("ReadFile", lambda smiles: tf.io.read_file(smiles[0])),
    "folders are listed": ("MatchingFiles", lambda smiles: tf.io.matching_files(smiles[0])),
    "Python is called": ("PyFunc", lambda smiles: tf.numpy_function(lambda x: x, [smiles], tf.string)),
    "a file is printed to": (
        "PrintV2",
        lambda smiles: tf.print(smiles, output_stream="file:///dev/null"),
    ),
    "a file is mapped": (
        "ImmutableConst",
        lambda _: tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[1], memory_region_name="/etc/hostname"),
    ),
    "debugging writes to a url": (
        "DebugIdentity",
        lambda smiles: tf.raw_ops.DebugIdentity(input=smiles, debug_urls=["file:///dev/null"]),
    ),
    "weights are saved elsewhere": (
        "SaveV2",
        lambda smiles: tf.raw_ops.SaveV2(
            prefix="/dev/null", tensor_names=["a"], shape_and_slices=[""], tensors=[tf.size(smiles)]
        ),
    ),
    "another checkpoint is read": (
        "RestoreV2",
        lambda _: tf.raw_ops.RestoreV2(
            prefix="/dev/null", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
        )[0],
    ),
    "records are read": (
        "TFRecordDataset",
        lambda smiles: tf.raw_ops.TFRecordDataset(filenames=smiles, compression_type="", buffer_size=0),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_does_more_is_refused_by_name(tmp_path: Path, attack: str) -> None:
    operation, effect = ATTACKS[attack]
    with pytest.raises(InputError, match=operation) as caught:
        check_operations(saved(tmp_path / "model", effect))
    assert "--trust-model" in caught.value.action


def test_whoever_wrote_the_model_may_run_it(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", lambda _: tf.io.write_file(str(tmp_path / "written"), "x"))
    with trusted_models():
        assert Signature(folder, "score")(["C"]).tolist() == [[0.25]]
    assert (tmp_path / "written").exists()
    with pytest.raises(InputError, match="WriteFile"):
        Signature(folder, "score")


def edited(folder: Path, edit: Callable[[Any], None]) -> Path:
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    edit(model)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def hidden_in_a_function_nobody_calls(model: Any) -> None:
    function = model.meta_graphs[0].graph_def.library.function.add()
    function.signature.name = "unused"
    function.node_def.add(name="write", op="WriteFile")


def hidden_in_a_second_graph(model: Any) -> None:
    model.meta_graphs.add().graph_def.node.add(name="write", op="WriteFile")


def hidden_under_the_name_of_a_function(model: Any) -> None:
    function = model.meta_graphs[0].graph_def.library.function.add()
    function.signature.name = "WriteFile"
    function.node_def.add(name="write", op="WriteFile")


def the_savers_function_called_by_a_signature(model: Any) -> None:
    graph = model.meta_graphs[0].graph_def
    (save,) = (each.signature.name for each in graph.library.function if "traced_save" in each.signature.name)
    graph.node.add(name="attack", op="PartitionedCall").attr["f"].func.name = save


def an_operation_nobody_knows(model: Any) -> None:
    model.meta_graphs[0].graph_def.node.add(name="custom", op="MyCustomOperation")


def an_asset_outside_the_folder(model: Any) -> None:
    model.meta_graphs[0].asset_file_def.add(filename="../../etc/passwd")


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (hidden_in_a_function_nobody_calls, "WriteFile"),
        (hidden_in_a_second_graph, "WriteFile"),
        (hidden_under_the_name_of_a_function, "WriteFile"),
        (the_savers_function_called_by_a_signature, "SaveV2"),
        (an_operation_nobody_knows, "MyCustomOperation"),
        (an_asset_outside_the_folder, "etc/passwd"),
    ],
)
def test_wherever_it_is_hidden(tmp_path: Path, edit: Callable[[Any], None], named: str) -> None:
    with pytest.raises(InputError, match=named):
        check_operations(edited(saved(tmp_path, tf.size), edit))


@pytest.mark.parametrize("name", ["saved_model.cpb", "saved_model.pbtxt"])
def test_a_second_graph_beside_the_first(tmp_path: Path, name: str) -> None:
    (saved(tmp_path, tf.size) / name).touch()
    with pytest.raises(InputError, match=name):
        check_operations(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no graph"])
def test_a_graph_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(BelkaError):
        Signature(tmp_path, "score")
