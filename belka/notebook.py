"""What `import belka` offers: the few functions that a notebook needs."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.smiles import read_text
from belka.contract import LINKER, LINKER_REPLACEMENT, SMILES_NO_LINKER, Node, Subset
from belka.errors import InputError
from belka.molecules import list_shards
from belka.predict.predict import LoadedModel
from belka.tokens.grammar import split_tokens

__all__ = ["FingerprintSettings", "fingerprints", "load_model", "read_molecules", "tokenize"]

_ECFP4: Final = FingerprintSettings()


def load_model(folder: str | PathLike[str]) -> LoadedModel:
    """Load a pushed model.

    Args:
        folder: The folder `model` of an output directory, of which the model in production is taken; or one version in
            it; or a model artifact of the stage clf.

    Returns:
        The model.

    Raises:
        BelkaError: There is no model, or it cannot be used here; the message says what to do.

    Example:
        >>> import belka
        >>> model = belka.load_model("output/model")
        >>> model.targets
        ('BRD4', 'HSA', 'sEH')
        >>> table = model.predict(["CC(=O)Nc1ccccc1", "C1CC"])
        >>> table["problem"].to_pylist()
        ['', 'unparsable SMILES']
        >>> frame = table.to_pandas()
        >>> bool(0 < frame["probability_BRD4"][0] < 1)
        True
    """
    return LoadedModel(Path(folder))


def fingerprints(smiles: Sequence[str], settings: FingerprintSettings = _ECFP4) -> NDArray[np.uint8]:
    """Compute the fingerprints of molecules, with the bits that the Examples hold and that models read.

    Args:
        smiles: n SMILES, with or without [Dy].
        settings: Which fingerprint; by default ECFP of 2,048 bits, radius 2, with chirality.

    Returns:
        uint8 [n, settings.size], each 0 or 1.

    Raises:
        InputError: A SMILES is no molecule.

    Example:
        >>> import belka
        >>> bits = belka.fingerprints(["CCO", "CC(=O)Nc1ccccc1"])
        >>> bits.shape
        (2, 2048)
        >>> bits.sum(axis=1).tolist()
        [6, 19]
        >>> belka.fingerprints(["CCO"], belka.FingerprintSettings(kind="maccs", size=168)).sum().item()
        9
    """
    plain = pa.array([text.replace(LINKER, LINKER_REPLACEMENT) for text in smiles], pa.string())
    found = DirectFingerprints(settings).compute(pa.record_batch({SMILES_NO_LINKER: plain}))
    for row, reason in found.rejected.items():
        raise _no_molecule(f"smiles[{row}] = {smiles[row]!r}: {reason}")
    return np.unpackbits(found.packed, axis=1)


def tokenize(smiles: str) -> list[str]:
    """Cut a SMILES into the tokens that models read.

    Args:
        smiles: The text; its [Dy] reads as [H]. It is cut as it stands; models read the tokens of the canonical
            spelling.

    Returns:
        The tokens in their order. Characters that belong to no token are left out.

    Raises:
        InputError: The text holds no SMILES.

    Example:
        >>> import belka
        >>> belka.tokenize("Clc1ccc(cc1)[C@@H](N)C(=O)N[Dy]")[:6]
        ['Cl', 'c', '1', 'c', 'c', 'c']
    """
    text = read_text(smiles)
    if text.reason:
        raise _no_molecule(f"{smiles!r}: {text.reason}")
    return split_tokens(text.smiles.replace(LINKER, LINKER_REPLACEMENT))


def read_molecules(
    folder: str | PathLike[str], split: str = "train", *, columns: Sequence[str] | None = None
) -> pa.Table:
    """Read the molecules table: one row per molecule.

    Args:
        folder: The output directory of a run, whose newest table is read; or the folder of one table.
        split: `train`, `validation` or `test`.
        columns: Names of the columns, see `belka.contract`; None = all. The whole library does not fit in memory, two
            columns of it do.

    Returns:
        The rows in the order of the table; none where the split is empty.

    Raises:
        InputError: There is no table, or no such split.

    Example:
        >>> import belka
        >>> table = belka.read_molecules("output", "validation", columns=["smiles", "binds"])
        >>> table.column_names
        ['smiles', 'binds']
    """
    if split not in (splits := [subset.split for subset in Subset]):
        raise InputError(
            "There is no such split.",
            received=f"split={split!r}",
            expected=", ".join(splits),
            action="Name one of them.",
        )
    tables = Path(folder).glob(f"pipeline_root/{Node.PARQUET_MERGE}/molecules/*/")
    newest = max(tables, key=lambda path: int(path.name), default=Path(folder))
    shards = list_shards(newest)
    schema = pq.read_schema(shards[0].path)
    wanted = list(schema.names if columns is None else columns)
    parts = [pq.read_table(shard.path, columns=wanted) for shard in shards if shard.split == split]
    return pa.concat_tables([pa.schema([schema.field(name) for name in wanted]).empty_table(), *parts])


def _no_molecule(received: str) -> InputError:
    return InputError(
        "A SMILES is no molecule.", received=received, expected="SMILES that RDKit can parse", action="Leave it out."
    )
