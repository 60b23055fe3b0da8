"""Every reader of a file that a user or the network gives, fed with damaged, hostile and random bytes.

A reader may take what it is given, or refuse it with an error that says what is wrong; anything else would be told as a
defect of the program. `make test` gives each a few files, `make test-faults` as many as BELKA_FUZZ_EXAMPLES says, and
again as many until BELKA_FUZZ_SECONDS have passed.
"""

import csv
import functools
import io
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belka.contract import CHAMPION_FILE, DESCRIPTION_FILE, PROVENANCE_FILE
from belka.demo.generate import make_demo_data
from belka.enumeration.read_library import library_of_table
from belka.errors import explained
from belka.models.champion import champion_history, read_champion
from belka.models.description import read_description
from belka.predict.check import CheckSettings, SmilesChecker
from belka.predict.input_table import open_input, read_rows, smiles_of
from belka.provenance import Record, changed_files, read_provenance, write_provenance
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.validate import validate_raw_files
from pipeline.config.files import load_config
from pipeline.runners.kubeflow.pipeline_file import read_pipeline
from tests.faults.conftest import Fault

pytestmark = pytest.mark.faults

EXAMPLES: Final = int(os.environ.get("BELKA_FUZZ_EXAMPLES", "5"))
SECONDS: Final = float(os.environ.get("BELKA_FUZZ_SECONDS", "0"))
GOLDEN: Final = Path(__file__).parents[1] / "integration" / "golden" / "kubeflow_form.yaml"
CHECKER: Final = SmilesChecker(CheckSettings(frozenset(), 128))
_NUMBERS: Final = itertools.count()

# What parsers stumble over: numbers of their limits, escapes, references, ends of text, paths.
TOKENS: Final = [
    text.encode()
    for text in (
        *("0", "-1", "1e999", "NaN", "null", "true", "9" * 400, "0x7f", "1_0"),
        *("\x00", "\x1b[31m", "\ufeff", "\u202e", "\r", "\n\n", "\t", '"', "'", "\\", ",", ";"),
        *("{", "}", "[[[[[[[[", "&a [*a,*a]", "*a", "!!python/object:os.system x", "<<: *a", "? ", "---\n", "...\n"),
        *("../..", "/etc/passwd", "file:///", "s3://", "$$$$\n", "M  END\n", "M  V30 ", "=cmd()", "%s%n"),
    )
] + [b"\xff\xfe", b"\x80", b"\xed\xa0\x80", b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes that begin as those of a valid file, with one to four damages."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, 1 << 20)) % (len(content) + 1)
        length = draw(st.sampled_from([1, 2, 8, 64, 4096]))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "repeat", "token", "bytes"]))
        if kind == "flip" and place < len(content):
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del content[place:]
        elif kind == "drop":
            del content[place : place + length]
        elif kind == "repeat":
            content[place:place] = content[place : place + length] * draw(st.integers(1, 50))
        elif kind == "token":
            content[place:place] = draw(st.sampled_from(TOKENS))
        else:
            content[place:place] = draw(st.binary(max_size=20))
    return bytes(content)


def fuzz(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: give a test what is drawn, `EXAMPLES` times and then until `SECONDS` have passed; record how often."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        inputs = itertools.count()

        @functools.wraps(test)
        def counted(*args: Any, **kwargs: Any) -> None:
            next(inputs)
            test(*args, **kwargs)

        drawn = settings(
            max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, print_blob=True
        )(given(**strategies)(counted))

        @functools.wraps(drawn)
        def rounds(*args: Any, **kwargs: Any) -> None:
            start, before = time.monotonic(), next(inputs)
            drawn(*args, **kwargs)
            while time.monotonic() - start < SECONDS:  # each round draws anew
                drawn(*args, **kwargs)
            seconds, parts = time.monotonic() - start, [text for text in kwargs.values() if isinstance(text, str)]
            where = " ".join([test.__name__.removeprefix("test_"), *parts])
            Fault("damaged and random input", where, f"{next(inputs) - before - 1} inputs", seconds).record()

        return rounds

    return decorate


def fresh(below: Path) -> Path:
    """An empty folder for one example, in place of that of the example before: ten minutes make thousands."""
    shutil.rmtree(below, ignore_errors=True)
    folder = below / str(next(_NUMBERS))
    folder.mkdir(parents=True)
    return folder


def read(reader: Callable[[], object]) -> None:
    """Have something read: it is taken, or refused with an error that explains itself on clean lines."""
    try:
        reader()
    except Exception as error:
        told = explained(error)
        if told is None:
            raise
        assert told.problem


def _whole_json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


_CHANGE: Final = {"version": "1", "digest": "0" * 64, "at": "2026-01-01T00:00:00+00:00", "reason": "pushed"}
CHAMPION: Final = _whole_json({"version": "1", "digest": "0" * 64, "history": [_CHANGE]})
DESCRIPTION: Final = _whole_json(
    {
        "model": {"depth": 8, "max_length": 128},
        "vocabulary": ["C", "O"],
        "targets": ["BRD4", "HSA"],
        "ecfp": {"n_bits": 2048, "radius": 2},
        "calibration": {"slopes": [1.0, 1.1], "offsets": [0.0, 0.1], "molecules": [0, 9]},
        "members": ["transformer", "linear"],
    }
)
SMILES_TABLE: Final = b'id,smiles,note\r\n1,CCO,"a, ""b"""\r\n2,C[C@H](N)C(=O)O,\r\n3,c1ccccc1,x\r\n'
SDF: Final = (
    b"ethanol\n  program\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n"
    b"    0.0000    0.0000    0.0000 C   0  0\n    1.5000    0.0000    0.0000 C   0  0\n"
    b"    2.0000    1.4000    0.0000 O   0  0\n  1  2  1  0\n  2  3  1  0\nM  END\n>  <n>\n1\n\n$$$$\n"
)
CONFIGURATION: Final = b"data:\n  targets: [BRD4, HSA]\n  seed: 42\ntraining:\n  epochs: 3\n  stages: [mlm, fps, clf]\n"
LIBRARY: Final = b"position,smiles\n1,O=C(O)CNC(=O)OCC1c2ccccc2-c2ccccc21\n2,NCc1ccccc1\n3,NCCO\n"


@fuzz(content=damaged(CHAMPION) | st.binary(max_size=200))
def test_champion(tmp_path: Path, content: bytes) -> None:
    folder = fresh(tmp_path)
    (folder / CHAMPION_FILE).write_bytes(content)
    read(lambda: read_champion(folder))
    read(lambda: champion_history(folder))


@fuzz(content=damaged(DESCRIPTION) | st.binary(max_size=200))
def test_description_of_a_model(tmp_path: Path, content: bytes) -> None:
    folder = fresh(tmp_path)
    (folder / DESCRIPTION_FILE).write_bytes(content)
    read(lambda: read_description(folder))


@fuzz(data=st.data())
def test_provenance(tmp_path: Path, data: st.DataObject) -> None:
    folder = fresh(tmp_path)
    (folder / "table").write_bytes(b"rows")
    write_provenance(folder, Record(step="merge", run="1", settings={}, code_version="0", libraries={}))
    file = folder / PROVENANCE_FILE
    file.write_bytes(data.draw(damaged(file.read_bytes()) | st.binary(max_size=200)))
    read(lambda: read_provenance(folder))
    read(lambda: changed_files(folder))


@fuzz(content=damaged(CONFIGURATION) | st.binary(max_size=200))
def test_configuration(tmp_path: Path, content: bytes) -> None:
    path = fresh(tmp_path) / "config.yaml"
    path.write_bytes(content)
    read(lambda: load_config(path))


@fuzz(content=damaged(GOLDEN.read_bytes()))
def test_compiled_pipeline(tmp_path: Path, content: bytes) -> None:
    path = fresh(tmp_path) / "pipeline.yaml"
    path.write_bytes(content)
    read(lambda: read_pipeline(path))


@fuzz(texts=st.lists(st.text(max_size=60) | st.text(st.sampled_from("CNOcn()[]=#@+-123%/\\.DyH$*"), max_size=60)))
def test_smiles(texts: list[str]) -> None:
    read(lambda: CHECKER.check_all(texts))


def _read_all(path: Path) -> None:
    with open_input(path, None) as table:
        for batch, _ in read_rows(table):
            CHECKER.check_all(smiles_of(batch, table))


def _parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"smiles": ["CCO", None, "c1ccccc1"], "n": [1, 2, 3]}), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "whole"),
    [("in.csv", SMILES_TABLE), ("in.sdf", SDF), ("in.smi", b"CCO ethanol\nCC ethane\n"), ("in.parquet", _parquet())],
)
@fuzz(data=st.data())
def test_molecules_to_predict(tmp_path: Path, name: str, whole: bytes, data: st.DataObject) -> None:
    path = fresh(tmp_path) / name
    path.write_bytes(data.draw(damaged(whole) | st.binary(max_size=200)))
    read(lambda: _read_all(path))


@fuzz(content=damaged(LIBRARY) | st.binary(max_size=200))
def test_library_to_enumerate(tmp_path: Path, content: bytes) -> None:
    path = fresh(tmp_path) / "library.csv"
    path.write_bytes(content)
    read(lambda: library_of_table(path))


@pytest.fixture(scope="module")
def raw_tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Raw files by name: train and test, as parquet and as CSV."""
    folder = tmp_path_factory.mktemp("raw")
    make_demo_data(folder, molecules=100)
    found = dict[str, bytes]()
    for name in ("train", "test"):
        table = pq.read_table(folder / f"{name}.parquet")
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(table.column_names)
        rows.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
        found |= {f"{name}.parquet": (folder / f"{name}.parquet").read_bytes(), f"{name}.csv": text.getvalue().encode()}
    return found


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("hurt", ["train", "test"])
@fuzz(data=st.data())
def test_raw_files(tmp_path: Path, raw_tables: dict[str, bytes], kind: str, hurt: str, data: st.DataObject) -> None:
    folder = fresh(tmp_path)
    for name in ("train", "test"):
        whole = raw_tables[f"{name}.{kind}"]
        content = data.draw(damaged(whole) | st.binary(max_size=200)) if name == hurt else whole
        (folder / f"{name}.{kind}").write_bytes(content)
    read(lambda: validate_raw_files(folder, data=DataSettings(), system=SystemSettings(n_workers=1)))
