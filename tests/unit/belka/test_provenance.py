"""provenance.json: digests of every file, the way back without any other folder, and what was changed since."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from belka.contract import PROVENANCE_FILE
from belka.digests import digests_by_name, file_digest, files_digest
from belka.errors import InputError
from belka.places.names import named_places
from belka.provenance import (
    Input,
    Record,
    changed_files,
    folder_digest,
    known_digest,
    read_inputs,
    read_provenance,
    write_provenance,
)


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def chain(tmp_path: Path) -> list[Path]:
    """Molecules from raw files, a vocabulary of them, Examples of both."""
    raw = {"train.csv": "aa"}
    molecules = folder(tmp_path / "molecules", Split__a="1", blocks="2")
    write_provenance(molecules, Record(step="parquet-merge", raw_files=raw, settings={"seed": 1}))
    vocabulary = folder(tmp_path / "vocabulary", vocab="C")
    write_provenance(vocabulary, Record(step="smiles-vocab"), read_inputs({"molecules": [molecules]}))
    examples = folder(tmp_path / "examples", part="x")
    read = {"molecules": [molecules], "vocabulary": [vocabulary]}
    write_provenance(examples, Record(step="molecule-transform", output="examples"), read_inputs(read))
    return [molecules, vocabulary, examples]


def test_every_file_has_its_sha256(chain: list[Path]) -> None:
    known = read_provenance(chain[0])
    assert known is not None
    assert known.files == {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in {"Split/a": "1", "blocks": "2"}.items()
    }
    listing = "".join(f"{name}\0{digest}\n" for name, digest in known.files.items())
    assert known.digest == hashlib.sha256(listing.encode()).hexdigest() == folder_digest(chain[0])


def test_one_folder_tells_everything_that_led_to_it(chain: list[Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(chain[2], tmp_path / "elsewhere"))
    for path in chain:
        shutil.rmtree(path)
    known = read_provenance(copy)
    assert known is not None
    assert [record.step for record in known.history] == ["parquet-merge", "smiles-vocab", "molecule-transform"]
    assert known.origin.raw_files == {"train.csv": "aa"}
    assert known.history[0].settings == {"seed": 1}
    # Each input is the folder that its record describes.
    records = {record.uri: record.digest for record in known.upstream}
    assert [(each.name, each.digest) for each in known.inputs] == [
        (each.name, records[each.uri]) for each in known.inputs
    ]


def test_what_was_changed_since_is_named(chain: list[Path]) -> None:
    assert changed_files(chain[0]) == []
    (chain[0] / "blocks").write_text("3")
    (chain[0] / "Split/a").unlink()
    (chain[0] / "added").touch()
    assert changed_files(chain[0]) == ["Split/a", "added", "blocks"]


def test_a_folder_without_provenance_is_read_as_an_input_and_refused_as_a_result(tmp_path: Path) -> None:
    plain = folder(tmp_path / "plain", a="1")
    assert folder_digest(plain) == files_digest({"a": hashlib.sha256(b"1").hexdigest()})
    with pytest.raises(InputError, match="does not say where it comes from"):
        changed_files(plain)
    (plain / PROVENANCE_FILE).write_text(json.dumps({"files": {}}))
    with pytest.raises(InputError, match="provenance of a folder cannot be read"):
        read_provenance(plain)


def test_a_pods_local_copy_is_named_by_its_uri(tmp_path: Path) -> None:
    local, made = folder(tmp_path / "in", a="1"), folder(tmp_path / "out", b="2")
    with named_places({str(local): "s3://bucket/in", str(made): "s3://bucket/out"}):
        known = write_provenance(made, Record(step="s"), read_inputs({"x": [local]}))
    assert (known.uri, known.inputs[0].uri) == ("s3://bucket/out", "s3://bucket/in")


@given(st.dictionaries(st.text("ab/\0", max_size=3), st.sampled_from("01"), max_size=4))
def test_another_content_has_another_digest(files: dict[str, str]) -> None:
    changed = {**files, "a": "2"}
    assert files_digest(changed) != files_digest(files)
    assert files_digest(dict(reversed(files.items()))) == files_digest(files)


def test_only_digests_are_taken_for_digests() -> None:
    assert digests_by_name("train.csv=aa test.csv=bb") == {"train.csv": "aa", "test.csv": "bb"}
    assert digests_by_name("2026-01-release") == digests_by_name("") == {}


def test_the_digest_of_a_file_is_what_the_record_above_it_says_unless_it_was_written_since(tmp_path: Path) -> None:
    names = {"near": "a/b/c/file", "deep": "a/b/c/d/file"}
    made = folder(tmp_path / "output", **dict.fromkeys(names.values(), "before"), **{".hidden": "before"})
    write_provenance(made, Record(step="s"))
    recorded = (made / PROVENANCE_FILE).stat().st_mtime_ns
    found = {}
    for when in (recorded, recorded + 1):
        for path in (made / name for name in (*names.values(), ".hidden")):
            path.write_text("after")
            os.utime(path, ns=(when, when))
        found[when] = {name: known_digest(made / path) for name, path in {**names, "hidden": ".hidden"}.items()}
    before, after = (hashlib.sha256(text).hexdigest() for text in (b"before", b"after"))
    # Outputs have their files at most four folders deep: further up no record is looked for. Hidden files have none.
    assert found[recorded] == {"near": before, "deep": after, "hidden": after}
    assert found[recorded + 1] == {"near": after, "deep": after, "hidden": after}


def test_a_file_without_a_record_is_read(tmp_path: Path) -> None:
    plain = folder(tmp_path / "plain", a="1")
    assert known_digest(plain / "a") == file_digest(plain / "a") == hashlib.sha256(b"1").hexdigest()


@pytest.mark.parametrize("record", [Record(step="s"), Input(name="x", uri="u", digest="d")])
def test_what_was_read_is_never_changed_in_place(record: Record | Input) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        record.uri = "elsewhere"
