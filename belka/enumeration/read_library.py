"""Read the blocks of a library: of a molecules table, of a table of raw molecules, or of three lists of blocks."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.chemistry.blocks.compose import read_catalogue
from belka.chemistry.blocks.fragment import block_components, cut_at_core
from belka.chemistry.blocks.join import attached_text, join_blocks
from belka.chemistry.blocks.reference import UnusableReferenceError, identify_blocks
from belka.chemistry.blocks.sample import sample_molecules
from belka.chemistry.smiles import parse
from belka.chemistry.spelling import spell
from belka.contract import BLOCK_IDS, RAW_BLOCKS, RAW_SMILES, SMILES, Subset
from belka.enumeration.library import LeftOut, ProductBlock, ProductLibrary, make_library
from belka.enumeration.reagents import UnclearBlockError, amine_text, first_text
from belka.errors import InputError
from belka.molecules import list_shards, read_rows
from belka.predict.input_table import open_input, smiles_of
from belka.predict.input_table import read_rows as read_table

_TRIED: Final = 3  # molecules of each block that are taken apart until one tells how the block hangs on the core
_NOT_SEEN: Final = "no molecule shows how it hangs on the core"

Names = tuple[str, str, str]


def library_of_molecules(folder: Path, subsets: Collection[Subset] = tuple(Subset)) -> ProductLibrary:
    """The blocks of a molecules table.

    Args:
        folder: Folder written by ParquetMerge.
        subsets: Those whose molecules are looked at; another one's blocks that these lack are not in the library.

    Raises:
        InputError: It cannot be read, or shows no blocks.
    """
    splits = {subset.split for subset in subsets}
    catalogue, shards = read_catalogue(folder), [shard for shard in list_shards(folder) if shard.split in splits]
    seen = np.zeros((len(BLOCK_IDS), len(catalogue)), np.bool_)
    for shard in shards:
        for batch in read_rows(shard.path, list(BLOCK_IDS), batch_rows=1 << 17):
            for at, name in enumerate(BLOCK_IDS):
                seen[at, batch.column(name).drop_null().to_numpy()] = True
    drawn = sample_molecules(shards, n_blocks=len(catalogue), per_block=_TRIED, at_random=0)
    references = (
        (tuple(catalogue[row[name]] for name in BLOCK_IDS), row[SMILES])
        for row in drawn.select([SMILES, *BLOCK_IDS]).to_pylist()
    )
    listed = [[catalogue[block] for block in np.flatnonzero(row)] for row in seen]
    return _of_references(listed, references, str(folder))


def library_of_table(path: Path) -> ProductLibrary:
    """The blocks of a table of molecules in the raw format: the three columns of blocks, and molecule_smiles.

    Args:
        path: CSV, TSV (plain, .gz or .zst), parquet, or a folder of one of them.

    Raises:
        InputError: It cannot be read, lacks a column, or shows no blocks.
    """
    listed: tuple[dict[str, int], ...] = ({}, {}, {})
    references: list[tuple[Names, str]] = []
    with open_input(path, RAW_SMILES) as table:
        if missing := [name for name in RAW_BLOCKS if name not in table.schema.names]:
            raise InputError(
                "The table of molecules lacks columns of building blocks.",
                received=f"{path} without {', '.join(missing)}",
                expected=f"the columns {', '.join((*RAW_BLOCKS, RAW_SMILES))}",
                action="Rename its columns, or give the blocks as three files.",
            )
        for batch, _ in read_table(table):
            rows = _rows_to_try(batch, listed)
            if len(rows):
                chosen = batch.take(pa.array(rows))
                texts = smiles_of(chosen, table)
                names = [chosen.column(name).to_pylist() for name in RAW_BLOCKS]
                references += [
                    ((first, second, third), text)
                    for first, second, third, text in zip(*names, texts, strict=True)
                    if first and second and third and text
                ]
    return _of_references([list(names) for names in listed], references, str(path))


def library_of_files(first: Path, second: Path, third: Path) -> ProductLibrary:
    """The blocks of three files of SMILES, see `belka.enumeration.reagents`.

    Args:
        first: Blocks of position 1, in any format of `belka predict`.
        second: Blocks of position 2.
        third: Blocks of position 3; may be the same file.

    Raises:
        InputError: A file cannot be read, or a position has no block that can be used.
    """
    left_out: list[LeftOut] = []
    paths = (first, second, third)
    positions = [_read_file(path, position, left_out) for position, path in enumerate(paths, 1)]
    library = make_library((positions[0], positions[1], positions[2]), left_out)
    return _checked(library, ", ".join(map(str, paths)))


def _read_file(path: Path, position: int, left_out: list[LeftOut]) -> list[ProductBlock]:
    """The blocks of a file; those that cannot be used are added to `left_out`."""
    blocks = []
    text_of = first_text if position == 1 else amine_text
    for listed, defect in _listed(path):
        try:
            text, reason = ("" if defect else text_of(listed)), defect
        except UnclearBlockError as error:
            text, reason = "", str(error)
        if text:
            blocks.append(ProductBlock(listed, text))
        else:
            left_out.append(LeftOut(position, listed, reason))
    return blocks


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """SMILES of a file, and why a row holds none."""
    with open_input(path, None) as table:
        for batch, problems in read_table(table):
            for text, problem in zip(smiles_of(batch, table), problems, strict=True):
                if text or problem:
                    yield (text or "").split()[0] if text else "", problem or ""


def _rows_to_try(batch: pa.RecordBatch, listed: Sequence[dict[str, int]]) -> NDArray[np.int64]:
    """Rows with a block of which fewer than `_TRIED` molecules were met; `listed` counts them."""
    rows: set[int] = set()
    for counts, name in zip(listed, RAW_BLOCKS, strict=True):
        encoded = batch.column(name).cast(pa.string()).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        for code, smiles in enumerate(encoded.dictionary.to_pylist()):
            left = _TRIED - counts.get(smiles, 0)
            if left > 0 and smiles:
                found = np.flatnonzero(codes == code)[:left]
                counts[smiles] = counts.get(smiles, 0) + len(found)
                rows.update(found.tolist())
    return np.array(sorted(rows), np.int64)


def _of_references(
    listed: Sequence[Sequence[str]], references: Iterable[tuple[Names, str]], source: str
) -> ProductLibrary:
    """Take molecules apart until every block's text is known.

    Args:
        listed: SMILES of the blocks of each position.
        references: SMILES of the blocks of molecules, and of the molecules.
        source: Where they come from, for a message.
    """
    components = cache(block_components)
    texts: dict[tuple[bool, str], str] = {}
    refused: dict[str, str] = {}
    for names, smiles in references:
        keys = [(place == 0, name) for place, name in enumerate(names)]
        if all(key in texts for key in keys):
            continue
        try:
            found = _taken_apart(smiles, components(names[1]), components(names[2]))
        except UnusableReferenceError as error:
            refused |= dict.fromkeys(names, str(error))
            continue
        texts |= dict(zip(keys, found, strict=True))
    left_out: list[LeftOut] = []
    positions: list[list[ProductBlock]] = []
    for place, names_at in enumerate(listed):
        known = [name for name in names_at if (place == 0, name) in texts]
        positions.append([ProductBlock(name, texts[place == 0, name]) for name in known])
        gone = sorted(set(names_at) - set(known))
        left_out += [LeftOut(place + 1, name, refused.get(name, _NOT_SEEN)) for name in gone]
    return _checked(make_library((positions[0], positions[1], positions[2]), left_out), source)


def _taken_apart(smiles: str, second: frozenset[str], third: frozenset[str]) -> tuple[str, ...]:
    """Texts of the three blocks of a molecule, which give it again when they are joined."""
    molecule = parse(smiles)
    if isinstance(molecule, str):
        raise UnusableReferenceError(molecule)
    blocks, _ = identify_blocks(cut_at_core(molecule), second, third)
    texts = tuple(attached_text(molecule, block) for block in blocks)
    if join_blocks(*texts) != spell(molecule):
        raise UnusableReferenceError("its blocks joined again are another molecule:", smiles)
    return texts


def _checked(library: ProductLibrary, source: str) -> ProductLibrary:
    counts = (len(library.first), len(library.second), len(library.third))
    if all(counts):
        return library
    shown = "".join(f"; {gone.listed}: {gone.reason}" for gone in library.left_out[:3])
    raise InputError(
        "A position of the library has no building block that can be used.",
        received=f"{source}: {counts[0]}, {counts[1]} and {counts[2]} blocks{shown}",
        expected="three blocks at a triazine core, the first with the linker [Dy]",
        action="Give molecules of a triazine library, or the blocks as three files, with * in the core's place.",
    )
