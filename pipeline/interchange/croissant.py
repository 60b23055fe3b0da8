"""Croissant: the merged table of molecules as machine-readable metadata of a data set.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html (1.0), whose context stands below.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa

from belka.contract import (
    BINDS,
    BLOCKS_FILE,
    IDS,
    MOLECULE_ID,
    PROVENANCE_FILE,
    SMILES,
    SMILES_NO_LINKER,
    SPLIT_GROUP,
    SUBSET,
    Node,
    SplitGroup,
    Subset,
    split_folder,
)
from belka.errors import InputError
from belka.molecules import SHARD_PATTERN
from belka.places.copies import copied
from belka.places.uri import is_uri, store_uri
from belka.provenance import Provenance, recorded
from pipeline.interchange.recorded import MOLECULES, columns_of, targets_of

_MERGED: Final = (Node.PARQUET_MERGE, MOLECULES)
_SHARDS: Final = "shards"
_BLOCKS: Final = "blocks"
# What each column holds; `{...}` is filled in.
_MEANINGS: Final = {
    MOLECULE_ID: "Position of the molecule in the whole table.",
    SMILES: "The molecule with the linker to its DNA, [Dy].",
    SMILES_NO_LINKER: "The molecule with hydrogen in the place of the linker.",
    BINDS: "Labels of {targets}, in this order: 0 no, 1 yes, 2 unknown.",
    SUBSET: "{subsets}.",
    SPLIT_GROUP: "{groups}: whether training shows all building blocks.",
    IDS: "Ids of the raw rows of {targets}, of test molecules; null where the pair is absent.",
}
_BLOCK_COLUMNS: Final = {
    "block_id": ("sc:Integer", "Number of the building block, to which the columns of molecules refer."),
    "smiles": ("sc:Text", "The building block."),
    "in_validation": ("sc:Boolean", "Whether validation holds it out."),
}
_FORMATS: Final = {".parquet": "application/x-parquet", ".json": "application/json"}
# The context that the specification gives.
_TERMS: Final = (
    *("citeAs", "column", "conformsTo", "data", "dataType", "equivalentProperty", "examples", "extract", "field"),
    *("fileProperty", "fileObject", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5"),
    *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator"),
    *("source", "subField", "transform"),
)
_SPECIAL_TERMS: Final = {
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


def table_metadata(model: Provenance, beside: Path | str) -> dict[str, Any]:
    """Describe the merged table that a model was trained on.

    Args:
        model: Provenance of the model, or of the table itself.
        beside: Folder that the description is written to, or its URI, above the table: files are named relative to it,
            which is the only way that mlcroissant reads sets of local files, and the whole can be moved.

    Returns:
        JSON-LD of a `sc:Dataset`. Equal for equal provenance.

    Raises:
        InputError: The table is gone, another one is in its place, or it is not below the folder.
    """
    place, table = _find_table(model)
    if not PurePosixPath(place).is_relative_to(beside):
        raise InputError(
            "The description of a table must lie in a folder above it.",
            received=f"{beside}; the table is {place}",
            expected="the output directory of the run, for example",
            action="Name a file there with --croissant.",
        )
    targets = targets_of(table.settings)
    raw = ", ".join(f"{name} (SHA-256 {digest})" for name, digest in table.raw_files.items())
    folder = PurePosixPath(place).relative_to(beside)
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "molecules",
        "description": f"Molecules of a DNA-encoded library and whether they bind {', '.join(targets)}: one row for "
        f"each molecule, merged by belka {version('belka')} ({table.code_version}) from {raw}. "
        f"SHA-256 of all files: {table.digest}.",
        "datePublished": table.finished,
        "distribution": [
            *(_file(folder, name, digest) for name, digest in table.files.items()),
            {
                "@type": "cr:FileSet",
                "@id": _SHARDS,
                "name": _SHARDS,
                "description": "The rows: training, validation and test.",
                "encodingFormat": _FORMATS[".parquet"],
                "includes": str(folder / split_folder("*") / SHARD_PATTERN),
            },
        ],
        "recordSet": [
            _record_set(MOLECULES, {"fileSet": {"@id": _SHARDS}}, _molecule_columns(table, targets)),
            _record_set(_BLOCKS, {"fileObject": {"@id": BLOCKS_FILE}}, _BLOCK_COLUMNS),
        ],
    }


def _find_table(model: Provenance) -> tuple[str, Provenance]:
    """Where the table is, and its own provenance, which alone is brought here from an object store."""
    known = next((record for record in model.history if (record.step, record.output) == _MERGED), None)
    if known is None:
        raise InputError(
            "The model does not say which merged table it was trained on.",
            received=f"records of {', '.join(record.step for record in model.history)}",
            expected=f"one of {Node.PARQUET_MERGE}",
            action="Give a model of a run of this version.",
        )
    place = copied(store_uri(known.uri), PROVENANCE_FILE.__eq__) if is_uri(known.uri) else nullcontext(Path(known.uri))
    with place as folder:
        table = recorded(folder)
    if table.digest != known.digest:
        raise InputError(
            "The merged table is another one than the model was trained on.",
            received=f"{known.uri}: SHA-256 {table.digest}",
            expected=f"SHA-256 {known.digest}",
            action="Give the model of the last run in that output directory.",
        )
    return known.uri, table


def _file(folder: PurePosixPath, name: str, digest: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": str(folder / name),
        "encodingFormat": _FORMATS.get(Path(name).suffix, "application/octet-stream"),
        "sha256": digest,
    }


def _molecule_columns(table: Provenance, targets: tuple[str, ...]) -> Mapping[str, tuple[str, str]]:
    columns = columns_of(table)
    assert columns is not None
    filled = {
        "targets": ", ".join(targets),
        "subsets": ", ".join(f"{each.value} {each.split}" for each in Subset),
        "groups": ", ".join(f"{each.value} {each.label}" for each in SplitGroup),
    }
    return {
        column.name: (
            "sc:Text" if pa.types.is_string(column.type) else "sc:Integer",
            _MEANINGS.get(column.name, "Building block at this position, see `blocks`.").format(**filled),
        )
        for column in columns
    }


def _record_set(name: str, source: Mapping[str, Any], columns: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    fields = []
    for column, (kind, meaning) in columns.items():
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "description": meaning,
            "dataType": kind,
            "source": {**source, "extract": {"column": column}},
        }
        if column in (BINDS, IDS):
            field["repeated"] = True
        fields.append(field)
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _context() -> dict[str, Any]:
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
        **{term: _SPECIAL_TERMS.get(term, f"cr:{term}") for term in _TERMS},
    }
