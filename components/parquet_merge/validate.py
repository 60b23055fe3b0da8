"""What a run would make of a folder of raw files, told without writing anything but temporary files."""

import math
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from belka.chemistry.smiles import UNPARSABLE_SMILES
from belka.chemistry.spelling import canonical_spelling
from belka.contract import EXTRA_TARGET
from belka.errors import InputError
from belka.queries import explained_errors, fetch_row, sql_string
from belka.raw_directory import EXTRA, TEST, TRAIN, RawFile
from belka.rejections import OTHER_PROTEIN, is_one_fault, share_advice
from belka.settings import DataSettings, LabelSettings, SystemSettings
from components.parquet_merge.blocks import make_block_table
from components.parquet_merge.labels import ReadCountsError
from components.parquet_merge.raw_input import RawInput, open_raw_input
from components.parquet_merge.refusals import (
    AbsentTargetError,
    RejectedCount,
    TooManyRefusedError,
    check_rejected,
    rejected_counts,
    targets_line,
)
from components.parquet_merge.row_rules import used_texts
from components.parquet_merge.workspace import open_engine

# Rows from which on molecules and pairs are counted in a sample of the molecules.
EXACT_ROWS = 5_000_000
# SMILES of a side that RDKit reads, about two thousand a second.
SAMPLE_SMILES = 5_000
SHOWN_PROTEINS = 50


@dataclass(frozen=True)
class FileReport:
    """What the validation found in one file.

    Attributes:
        source: `train`, `test` or `extra`.
        path: The file.
        n_rows: Number of rows.
        rejected: Rows that cannot be used, by reason.
        proteins: Rows by protein, the most frequent first, at most SHOWN_PROTEINS; none for `extra`.
    """

    source: str
    path: Path
    n_rows: int
    rejected: tuple[RejectedCount, ...]
    proteins: dict[str, int]


class SideReport(NamedTuple):
    """Usable rows of training (the extra file included) or of test.

    Attributes:
        molecules: Different SMILES.
        pairs: Different (SMILES, protein).
        conflicts: Pairs with rows of 0 and of 1.
        is_exact: Whether the three are counted; else they are estimated from a sample of the molecules.
    """

    molecules: int
    pairs: int
    conflicts: int
    is_exact: bool


@dataclass(frozen=True)
class SampleReport:
    """What RDKit says of the SMILES of some usable rows.

    Attributes:
        n_smiles: Number of different SMILES read.
        is_whole: Whether these are all.
        unusable: Those that are no molecule, by reason.
        first_unusable: The first of them, empty if there is none.
        respelled: Those that are not in the one spelling.
        twins: Those of these whose other spelling is in the files too.
    """

    n_smiles: int = 0
    is_whole: bool = True
    unusable: dict[str, int] = field(default_factory=dict)
    first_unusable: str = ""
    respelled: int = 0
    twins: int = 0


@dataclass(frozen=True)
class ValidationReport:
    """What the validation found in a folder of raw files.

    Attributes:
        files: One report per file: train, test, and extra where it is used.
        training: Usable rows of train and extra.
        test: Usable rows of test.
        sample: What RDKit says of some of their SMILES.
        n_blocks: Number of distinct building blocks in train and test.
        n_test_only_blocks: Number of those the training file does not show.
        refusal: What would stop a run; None = nothing that can be seen here.
        remedies: Values for `--set` with which a run would not stop; none where none are known.
    """

    files: tuple[FileReport, ...]
    training: SideReport
    test: SideReport
    sample: SampleReport
    n_blocks: int
    n_test_only_blocks: int
    refusal: InputError | None
    remedies: tuple[str, ...] = ()


def validate_raw_files(raw_dir: Path, *, data: DataSettings, system: SystemSettings) -> ValidationReport:
    """Check a folder of raw files as a run would.

    Where a run would refuse them, values of the configuration are tried that may help; they are told only if the same
    check passes with them.

    Args:
        raw_dir: Folder of the raw files.
        data: Targets, largest share of unusable rows, labels, and whether DNA_Labeled_Data.csv is looked at.
        system: Memory budget and threads.

    Raises:
        InputError: If a file is missing, unreadable or of the wrong form.
    """
    report = look = _look(raw_dir, data, system)
    remedies: list[str] = []
    for _ in range(4):
        remedy = _remedy(look, data) if look.refusal else None
        if remedy is None:
            break
        line, data = remedy
        remedies.append(line)
        look = _look(raw_dir, data, system)
    return report if look.refusal else ValidationReport(**{**vars(report), "remedies": tuple(remedies)})


def _look(raw_dir: Path, data: DataSettings, system: SystemSettings) -> ValidationReport:
    files, refusal, used = [], None, {}
    with (
        tempfile.TemporaryDirectory(prefix="belka-validate-") as folder,
        closing(open_engine(system, temp_dir=Path(folder) / "duckdb")) as engine,
    ):
        raw = open_raw_input(engine, raw_dir, data=data, work_dir=Path(folder))
        for file in raw.files:
            n_rows, counts = raw.n_rows[file.source], rejected_counts(engine, file)
            files.append(FileReport(file.source, file.path, n_rows, counts, _proteins(engine, file)))
            if file.source in raw.blocks.shown:
                texts = raw.blocks
                used[file.source] = used_texts(engine, file, texts) if counts else texts.codes(texts.shown[file.source])
            try:
                check_rejected(engine, file, n_rows, counts, data=data)
            except InputError as error:
                refusal = refusal or error
        sides = {source: _side(engine, raw, source, data) for source in (TRAIN, TEST)}
        sample = _read_sample(engine, raw, Path(folder))
    blocks = make_block_table(raw.blocks, used, seed=0, share=0.0)
    n_blocks = len(blocks.smiles)
    return ValidationReport(
        files=tuple(files),
        training=sides[TRAIN],
        test=sides[TEST],
        sample=sample,
        n_blocks=n_blocks,
        n_test_only_blocks=n_blocks - int(blocks.in_training.sum()),
        refusal=refusal or _unusable_molecules(sample, data),
    )


def _proteins(engine: Any, file: RawFile) -> dict[str, int]:
    if file.source == EXTRA:
        return {}
    sql = f"SELECT protein, count(*) FROM {file.source}_raw WHERE protein IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"  # noqa: S608
    with explained_errors(f"reading {file.path}"):
        return dict(engine.execute(f"{sql} LIMIT {SHOWN_PROTEINS}").fetchall())


def _side(engine: Any, raw: RawInput, source: str, data: DataSettings) -> SideReport:
    labels = {
        TRAIN: f"protein_code, label >= {data.positive_from} AS is_positive",
        TEST: "protein_code, NULL::BOOLEAN AS is_positive",
        EXTRA: f"{data.targets.index(EXTRA_TARGET) if EXTRA_TARGET in data.targets else 0}::TINYINT, label > 0",
    }
    sources = [one for one in ((TRAIN, EXTRA) if source == TRAIN else (source,)) if one in raw.n_rows]
    if not sources:
        return SideReport(0, 0, 0, is_exact=True)
    n_parts = sum(raw.n_rows[one] for one in sources) // EXACT_ROWS + 1
    rows = " UNION ALL ".join(
        f"SELECT smiles, {labels[one]} FROM {one}_checked WHERE reason IS NULL AND hash(smiles) % {n_parts} = 0"  # noqa: S608 - names of ours
        for one in sources
    )
    with explained_errors(f"reading the {source} file"):
        found = fetch_row(
            engine,
            "SELECT count(DISTINCT smiles), count(*), count(*) FILTER (one AND NOT every) FROM (SELECT smiles, "  # noqa: S608
            f"bool_or(is_positive) AS one, bool_and(is_positive) AS every FROM ({rows}) GROUP BY smiles, protein_code)",
        )
    molecules, pairs, conflicts = (n_parts * int(number) for number in found)
    return SideReport(molecules, pairs, conflicts, is_exact=n_parts == 1)


def _read_sample(engine: Any, raw: RawInput, work_dir: Path) -> SampleReport:
    total, unusable, first, respelled, twins, is_whole = 0, Counter[str](), "", 0, 0, True
    for file in raw.files:
        n_parts = raw.n_rows[file.source] // (50 * SAMPLE_SMILES) + 1
        usable = f"FROM {file.source}_checked WHERE reason IS NULL"
        with explained_errors(f"reading {file.path}"):
            rows = engine.execute(
                f"SELECT DISTINCT smiles {usable} AND hash(smiles) % {n_parts} = 0 "
                f"ORDER BY hash(smiles), smiles LIMIT {SAMPLE_SMILES}"
            ).fetchall()
        total, is_whole = total + len(rows), is_whole and n_parts == 1 and len(rows) < SAMPLE_SMILES
        spellings = Counter[str]()
        for (text,) in rows:
            spelling = canonical_spelling(text)
            if spelling is None:
                unusable[UNPARSABLE_SMILES] += 1
                first = first or text
            elif spelling != text:
                spellings[spelling] += 1
        if not spellings:
            continue
        path = work_dir / f"{file.source}-spellings.parquet"
        pq.write_table(pa.table({"smiles": pa.array(spellings, pa.string())}), path)
        with explained_errors(f"reading {file.path}"):
            there = engine.execute(
                f"SELECT DISTINCT smiles {usable} AND smiles IN (SELECT smiles FROM read_parquet({sql_string(path)}))"  # noqa: S608 - quoted, or names of ours
            ).fetchall()
        known = {text for (text,) in there}
        respelled += spellings.total()
        twins += sum(number if text in known else number - 1 for text, number in spellings.items())
    return SampleReport(total, is_whole, dict(unusable), first, respelled, twins)


def _unusable_molecules(sample: SampleReport, data: DataSettings) -> InputError | None:
    n_unusable = sum(sample.unusable.values())
    if n_unusable <= data.max_rejected_share * sample.n_smiles:
        return None
    return TooManyRefusedError(
        "Too many molecules cannot be used.",
        received=f"{n_unusable:,} of {sample.n_smiles:,} SMILES that RDKit read, for example {sample.first_unusable}",
        expected=f"at most {data.max_rejected_share:.2%} (data.max_rejected_share)",
        action=share_advice(sample.unusable, sample.n_smiles),
    )


def _remedy(report: ValidationReport, data: DataSettings) -> tuple[str, DataSettings] | None:
    """A value of the configuration that may help, and the settings with it; None where the files must be mended."""
    if isinstance(report.refusal, AbsentTargetError) and (found := _found_targets(report, data)):
        return targets_line(found), data.model_copy(update={"targets": found})
    if isinstance(report.refusal, ReadCountsError):
        threshold = LabelSettings(threshold=report.refusal.least_threshold)
        return f"data.binds={{threshold: {threshold.threshold}}}", data.model_copy(update={"binds": threshold})
    if not isinstance(report.refusal, TooManyRefusedError):
        return None
    shares = [_unusable(file) for file in report.files]
    for file, (reasons, n_rows) in zip(report.files, shares, strict=True):
        is_refused = sum(reasons.values()) > data.max_rejected_share * n_rows
        if is_refused and file.source == EXTRA:
            return "data.use_extra_data=false", data.model_copy(update={"use_extra_data": False})
    shares.append((report.sample.unusable, report.sample.n_smiles))
    if any(reasons and is_one_fault(reasons, n_rows) for reasons, n_rows in shares):
        return None
    share = max(math.ceil(100 * sum(reasons.values()) / n_rows) / 100 for reasons, n_rows in shares if n_rows)
    return f"data.max_rejected_share={share}", data.model_copy(update={"max_rejected_share": share})


def _unusable(file: FileReport) -> tuple[dict[str, int], int]:
    """Unusable rows by reason, and the rows that they are a share of."""
    reasons = {count.reason: count.n_rows for count in file.rejected}
    return reasons, file.n_rows - reasons.pop(OTHER_PROTEIN, 0)


def _found_targets(report: ValidationReport, data: DataSettings) -> tuple[str, ...]:
    """The proteins of the training file, where the settings name others; none where they cannot be targets."""
    found = next((tuple(sorted(file.proteins)) for file in report.files if file.source == TRAIN), ())
    try:
        DataSettings(targets=found)
    except ValidationError:
        return ()
    return found if set(found) != set(data.targets) and len(found) < SHOWN_PROTEINS else ()


def configured_and_found(report: ValidationReport, data: DataSettings) -> Iterator[str]:
    """Tell the targets of the settings that the training file lacks, and its proteins that are no target."""
    found: dict[str, int] = next((file.proteins for file in report.files if file.source == TRAIN), {})
    for name in data.targets:
        yield f"{name}: {found[name]:,} rows" if name in found else f"{name}: not in the training file"
    for name in found.keys() - set(data.targets):
        yield f"{name}: {found[name]:,} rows, but no target"
