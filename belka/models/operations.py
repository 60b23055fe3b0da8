"""What a SavedModel may run: models are data, and a graph of TensorFlow can write files as well as multiply matrices.

Allowed is what computes from tensors alone: every operation that TensorFlow registers without state, unless its name or
the name of an argument or attribute tells of files, networks, Python or other processes; and of those with state,
variables, tables in memory, random numbers and control flow. The operations of the saver are allowed where the saver
alone reaches them. Everything in the file is looked at: all graphs, all functions, whoever calls them.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from belka.contract import SAVED_MODEL_FILE, SERVING_FOLDER
from belka.errors import BelkaError, InputError
from belka.files import is_name
from belka.provenance import check_whole

# Other files that TensorFlow takes for the graph, the first of them before saved_model.pb.
_OTHER_GRAPHS: Final = ("saved_model.cpb", "saved_model.pbtxt")
_REFUSED_NAMES: Final = re.compile(
    r"^_|File|PyFunc|Print|Debug|Dump|Dataset|Iterator|Save|Restore|Checkpoint|Reader|Send|Recv|Rpc|Remote|Summary|"
    r"Collective|Nccl|TPU|Tpu|Xla|Snapshot|Bigtable|BigQuery|Proto|ImmutableConst|LoadAnd|Remapping|Host|Infeed|Outfeed"
)
_REFUSED_ARGUMENTS: Final = re.compile(r"file|path|url|address|descriptor_source|memory_region|^token$")
_WITH_STATE: Final = re.compile(
    r"VarHandleOp|VarIsInitializedOp|ReadVariableOp|Assign(Add|Sub)?VariableOp|VariableShape|DisableCopyOnRead|"
    r"Resource(Gather(Nd)?|Scatter\w+|StridedSliceAssign)|DestroyResourceOp|"
    r"(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|LookupTable(Find|Import|Export|Insert|Remove|Size)V2|"
    r"InitializeTableV2|TensorArray\w*|Stack(Push|Pop|Close)?V2|"
    r"Random(Uniform|UniformInt|StandardNormal|Shuffle|Gamma|PoissonV2)|TruncatedNormal|Multinomial|"
    r"Stateful(Uniform|UniformInt|UniformFullInt|StandardNormalV2|TruncatedNormal|RandomBinomial)|RngReadAndSkip|"
    r"StatefulPartitionedCall|If|While|Case|Assert|CheckNumerics(V2)?|GuaranteeConst|Empty|CudnnRNNV[23]"
)
_SAVER: Final = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename", "ShardedFilespec"})
_ACTION: Final = (
    "Use a model that this program exported. For a model that you wrote yourself: belka predict --trust-model."
)

_TRUSTED: ContextVar[bool] = ContextVar("trusted", default=False)


@contextmanager
def trusted_models() -> Iterator[None]:
    """Load models without looking at their operations while the block runs: the user wrote them."""
    token = _TRUSTED.set(True)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def check_model(model_dir: Path) -> None:
    """Check that a SavedModel is as it was written, where its provenance tells, and holds what models hold.

    Raises:
        DamagedError: A file is missing or of another content.
        InputError: See `check_operations`.
    """
    if _TRUSTED.get():
        return
    check_whole(model_dir.parent if model_dir.name == SERVING_FOLDER else model_dir, others=True)
    check_operations(model_dir)


def check_operations(model_dir: Path) -> None:
    """Look at every operation of a SavedModel before it is loaded.

    Args:
        model_dir: The folder.

    Raises:
        InputError: It holds an operation that is not allowed, or names a file outside its folder.
        BelkaError: It cannot be read.
    """
    if _TRUSTED.get():
        return
    if other := [name for name in _OTHER_GRAPHS if (model_dir / name).exists()]:
        raise _refused(model_dir, f"a second graph, {', '.join(other)}")
    for graph in _read(model_dir).meta_graphs:
        outside = [asset.filename for asset in graph.asset_file_def if not is_name(asset.filename)]
        if outside:
            raise _refused(model_dir, f"assets outside the folder: {', '.join(outside[:5])}")
        if refused := _refused_operations(graph):
            raise _refused(model_dir, f"operations {', '.join(refused)}")


def is_allowed(operation: Any) -> bool:
    """Whether a registered operation computes from tensors alone.

    Args:
        operation: Its OpDef.
    """
    if operation.is_stateful:
        return _WITH_STATE.fullmatch(operation.name) is not None
    names = [each.name for each in (*operation.input_arg, *operation.attr)]
    return not _REFUSED_NAMES.search(operation.name) and not any(map(_REFUSED_ARGUMENTS.search, names))


def _read(model_dir: Path) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((model_dir / SAVED_MODEL_FILE).read_bytes())
    except (OSError, DecodeError) as error:
        raise BelkaError(
            "The model cannot be loaded.",
            received=f"{model_dir / SAVED_MODEL_FILE}: {error}",
            expected="a whole SavedModel as the trainer exports it",
            action="Copy the model again, give another version, or run the training step again.",
        ) from error
    return model


def _refused_operations(graph: Any) -> list[str]:
    """Names of the operations of a graph that are not allowed, sorted."""
    from tensorflow.python.framework import op_def_registry

    functions = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    of_saver, of_saver_functions = _only_of_saver(graph, functions)
    parts: list[tuple[set[str] | None, Any]] = [(of_saver, graph.graph_def.node)]
    parts += [(None if name in of_saver_functions else set(), nodes) for name, nodes in functions.items()]
    found = set()
    for saver_nodes, nodes in parts:
        for node in nodes:
            operation = op_def_registry.get(node.op)
            if operation is None:
                allowed = node.op in functions
            else:
                is_saver = saver_nodes is None or node.name in saver_nodes
                allowed = is_allowed(operation) or (is_saver and node.op in _SAVER)
            if not allowed:
                found.add(node.op)
    return sorted(found)


def _only_of_saver(graph: Any, functions: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The nodes from which the saver alone computes, and the functions that they alone call."""
    nodes = {node.name: node for node in graph.graph_def.node}
    saver = graph.saver_def
    roots = [saver.save_tensor_name, saver.restore_op_name, saver.filename_tensor_name]
    mine = _ancestors(nodes, roots)
    others = [name for name in nodes if name not in mine]
    shared = _ancestors(nodes, others)
    called_elsewhere = _called(functions, [nodes[name] for name in others])
    # A loader calls these by their names, whatever the graph does.
    called_elsewhere |= set(graph.object_graph_def.concrete_functions)
    called_elsewhere |= _called(functions, [node for name in called_elsewhere for node in functions.get(name, ())])
    own = mine - shared
    return own, _called(functions, [nodes[name] for name in own]) - called_elsewhere


def _ancestors(nodes: dict[str, Any], names: Iterable[str]) -> set[str]:
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            waiting += nodes[name].input
    return found


def _called(functions: dict[str, Any], nodes: Iterable[Any]) -> set[str]:
    """Names of the functions that nodes call, directly or not."""
    found, waiting = set[str](), list(nodes)
    while waiting:
        node = waiting.pop()
        named = {node.op} | {
            each.name for value in node.attr.values() for each in (value.func, *value.list.func) if each.name
        }
        for name in (named & functions.keys()) - found:
            found.add(name)
            waiting += functions[name]
    return found


def _refused(model_dir: Path, received: str) -> InputError:
    return InputError(
        "The model holds what a model of this program does not, and is not loaded.",
        received=f"{model_dir}: {received}",
        expected="operations that compute from tensors alone: no files, networks, Python or other processes",
        action=_ACTION,
    )
