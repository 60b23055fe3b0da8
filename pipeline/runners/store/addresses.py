"""Where artifacts lie, as the metadata store of a run names it: URIs on the object store, paths in its copy here."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

# Columns of ML Metadata that may hold a path.
_COLUMNS: Final = (
    ("Artifact", "uri"),
    ("ArtifactProperty", "string_value"),
    ("ContextProperty", "string_value"),
    ("ExecutionProperty", "string_value"),
)


def move_addresses(database: Path, before: str, after: str) -> None:
    """Have a metadata store name places below another folder.

    Args:
        database: The SQLite file.
        before: The folder, or URI, that it names.
        after: What it is called from now on.
    """
    start = len(before)
    with closing(sqlite3.connect(database)) as base, base:
        for table, column in _COLUMNS:
            # The names are those above.
            base.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (after, start + 1, before, start + 1, f"{before}/"),
            )


def artifact_folders(database: Path) -> set[str]:
    """The folders of all artifacts that a metadata store knows."""
    with closing(sqlite3.connect(database)) as base:
        return {str(uri).rstrip("/") for (uri,) in base.execute("SELECT uri FROM Artifact") if uri}
