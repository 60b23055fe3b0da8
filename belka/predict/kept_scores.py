"""Scores that wait beside an output that is not whole yet: prediction that was killed goes on where it was.

Rows are kept a chunk at a time, each in a file that is named by all that its content follows from: the model, the
settings, this code, and the chunk's own texts. So nothing of another model or another input is ever taken, and rows
that moved within their file are scored anew.
"""

import hashlib
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pyarrow as pa

from belka.chemistry.reader import Block
from belka.files import atomic_path
from belka.models.folder import ModelFolder
from belka.predict.check import CheckedSmiles
from belka.predict.predictor import result_columns
from belka.provenance import folder_digest

_DIGEST_BYTES: Final = 20  # before the content of each file
_REFUSED: Final = pa.field("is_refused", pa.bool_())
_NEW_BLOCKS: Final = pa.field("bits_of_new_blocks", pa.list_(pa.list_(pa.int32())))


@dataclass(frozen=True)
class ScoredRows:
    """What is known of some rows.

    Attributes:
        batch: `result_columns`.
        is_refused: Of each row, whether the model never saw it.
        new_blocks: Of each row, bits of its building blocks that no training molecule has; None where there is no core,
            or nothing to compare with.
    """

    batch: pa.RecordBatch
    is_refused: list[bool]
    new_blocks: list[tuple[Block, ...] | None]

    @classmethod
    def of(cls, checked: Sequence[CheckedSmiles], batch: pa.RecordBatch) -> Self:
        """Of inputs that were checked and scored."""
        return cls(batch, [bool(item.problem) for item in checked], [item.new_blocks for item in checked])


class KeptScores:
    """The chunks that are scored, in a folder beside the output.

    Args:
        model: The model.
        output_file: The output.
        code: Version of the code that scores.
        standardise: As in `predict_file`.

    Attributes:
        folder: Where they are.
    """

    def __init__(self, model: ModelFolder, output_file: Path, *, code: str, standardise: bool) -> None:
        self.folder = output_file.absolute().with_name(f".{output_file.name}.scored")
        self._results = pa.schema(result_columns(model))
        self._schema = pa.schema([*self._results, _REFUSED, _NEW_BLOCKS])
        made_by = [folder_digest(model.path), str(standardise), code]
        self._made_by = "\0".join(made_by).encode()
        self._is_first = True

    def name(self, texts: Sequence[str | None], problems: Sequence[str | None]) -> str:
        """What a chunk is called: equal names have equal scores.

        Args:
            texts: Its SMILES as given.
            problems: Why rows cannot be scored.
        """
        digest = hashlib.blake2b(self._made_by, digest_size=20)
        for text in (*texts, *problems):
            said = b"-" if text is None else text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:%b" % (-1 if text is None else len(said), said))
        return digest.hexdigest()

    def find(self, name: str) -> ScoredRows | None:
        """The rows of a chunk that was scored before; None where it was not, or its file is damaged."""
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        if _digest(content[_DIGEST_BYTES:]) != content[:_DIGEST_BYTES]:
            return None
        with pa.ipc.open_stream(content[_DIGEST_BYTES:]) as reader:
            found = reader.read_next_batch()
        *columns, refused, blocks = found.columns
        return ScoredRows(
            pa.RecordBatch.from_arrays(columns, schema=self._results),
            refused.to_pylist(),
            [None if row is None else tuple(map(frozenset, row)) for row in blocks.to_pylist()],
        )

    def keep_all(self) -> None:
        """Keep the first chunk of this process as well: it may be any of the input, and others wait for it."""
        self._is_first = False

    def keep(self, name: str, rows: ScoredRows) -> None:
        """Keep a chunk. The first one of a run is not: most inputs have no other."""
        if self._is_first:
            self._is_first = False
            return
        blocks = [None if row is None else [sorted(block) for block in row] for row in rows.new_blocks]
        arrays = [*rows.batch.columns, pa.array(rows.is_refused, _REFUSED.type), pa.array(blocks, _NEW_BLOCKS.type)]
        stream = io.BytesIO()
        with pa.ipc.new_stream(stream, self._schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        content = stream.getvalue()
        with atomic_path(self.folder / name) as temporary:
            temporary.write_bytes(_digest(content) + content)

    def remove(self) -> None:
        """Remove all, once the output is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
