"""Composed fingerprints equal RDKit's; what is wrong or unknown is computed from the SMILES, or stops the step."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem
from skfp.fingerprints import ECFPFingerprint

from belka.chemistry.blocks import row_tables
from belka.chemistry.blocks.compose import ComposedEcfp, fingerprint_source
from belka.chemistry.blocks.row_tables import load_tables
from belka.chemistry.direct import DirectFingerprints, Fingerprints
from belka.chemistry.fingerprints import KINDS, FingerprintSettings
from belka.errors import BelkaError, InputError
from components.block_fingerprints.learn import learn_block_fingerprints

DEFAULT = FingerprintSettings()
PROPYL, ISOPROPYL = "CCCN", "CC(C)N"
GLYCINE = "O=C(O)CNC(=O)OCC1c2ccccc2-c2ccccc21"
PROLINE = "O=C(O)[C@@H]1CCCN1C(=O)OCC1c2ccccc2-c2ccccc21"


def learn(folder: Path, out: Path, settings: FingerprintSettings = DEFAULT, **changes: Any) -> dict[str, Any]:
    return learn_block_fingerprints(folder, out, settings, **({"n_workers": 1} | changes))


@pytest.fixture(scope="module")
def folder(library: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(library.write(tmp_path_factory.mktemp("library")))


@pytest.fixture(scope="module")
def learnt(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    learn(folder, out)
    return out


def both(library: Any, learnt: Path, rows: pa.Table | None = None) -> tuple[Fingerprints, Fingerprints]:
    """The composed and the direct fingerprints of molecules of a library."""
    batch = (library.molecules if rows is None else rows).combine_chunks().to_batches()[0]
    composed = ComposedEcfp(load_tables(learnt), library.catalogue).compute(batch)
    return composed, DirectFingerprints(DEFAULT).compute(batch)


@pytest.mark.parametrize(
    "settings",
    [
        DEFAULT,
        FingerprintSettings(size=1000, radius=1, chirality=False),
        FingerprintSettings(size=512, chirality=False),
        FingerprintSettings(size=64, radius=0),
    ],
    ids=str,
)
def test_every_molecule_is_composed_and_equals_rdkit(
    settings: FingerprintSettings, library: Any, folder: Path, tmp_path: Path
) -> None:
    summary = learn(folder, tmp_path, settings, audit_per_block=1000)
    assert summary["blocks"] == 11
    assert summary["audit"]["n_composed"] == len(library.molecules) == 196
    assert summary["audit"]["n_blocks"] == 11
    assert summary["audit"]["least_per_block"] == 49
    source = fingerprint_source(settings, tmp_path, folder)
    for batch in library.molecules.to_batches():
        result = source.compute(batch)
        assert result.composed.all()
        assert (result.packed == DirectFingerprints(settings).compute(batch).packed).all()


def test_cores_are_told_apart_by_their_nitrogens(learnt: Path) -> None:
    cores = pq.read_table(learnt / "core_fingerprints.parquet").to_pylist()
    # None to three of the blocks at the core hang on a nitrogen of a ring (proline, morpholine).
    assert sorted(sum("in a ring" in kind for kind in row["nitrogens"]) for row in cores) == [0, 1, 2, 3]
    assert len({row["bits"] for row in cores}) > 1


def test_salts_are_learnt_from_their_organic_part(learnt: Path) -> None:
    rows = {row["block"]: row for row in pq.read_table(learnt / "block_fingerprints.parquet").to_pylist()}
    assert rows["Cl.NCC(F)(F)F"]["fragment"] == "NCC(F)(F)F"
    assert all(row["n_references"] >= 3 for row in rows.values())


def test_unknown_blocks_other_cores_and_no_blocks_are_computed_directly(
    library: Any, learnt: Path, build_library: Callable[..., Any]
) -> None:
    catalogue = [*library.catalogue, "NC1CCC1"]
    known = [library.catalogue.index(block) for block in (GLYCINE, "C#CCN", "NC1CC1")]
    smiles = "C#CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1"
    other = build_library(
        catalogue,
        [
            (smiles, *known),
            ("C#CCNc1nc(NC2CCC2)nc(NCC(=O)N[Dy])n1", known[0], known[1], len(catalogue) - 1),
            ("CNC(=O)NC", None, None, None),
            ("C#CCNc1cc(NC2CC2)nc(NCC(=O)N[Dy])n1", *known),
            (smiles, known[0], 99, 2),
            (smiles, known[1], known[0], known[2]),
            ("C1CC", *known),
        ],
    )
    result, direct = both(other, learnt)
    assert result.composed.tolist() == [True] + [False] * 6
    assert (result.packed == direct.packed).all()
    assert result.rejected == direct.rejected == {6: "unparsable SMILES"}
    assert result.contradicted == (3, 6)


def test_a_wrong_block_is_noticed_and_the_fingerprint_is_right_all_the_same(library: Any, learnt: Path) -> None:
    row = library.row_of(GLYCINE, "C#CCN", "NC1CC1")
    wrong = library.relabel(row, 2, PROPYL)
    result, direct = both(wrong, learnt)
    assert result.contradicted == (row,)
    assert (result.packed == direct.packed).all()


def test_an_isomer_as_a_wrong_block_stops_the_audit_which_names_the_molecule(library: Any, tmp_path: Path) -> None:
    row = library.row_of(GLYCINE, "C#CCN", PROPYL)
    wrong = library.relabel(row, 3, ISOPROPYL).write(tmp_path / "molecules")
    smiles = library.molecules["smiles_no_linker"][row].as_py()
    with pytest.raises(BelkaError, match="differs from the one RDKit computes") as caught:
        learn(wrong, tmp_path / "out", audit_per_block=1000)
    assert f"molecule {row}: {smiles}, listed with the blocks {GLYCINE}, C#CCN, {ISOPROPYL}" in caught.value.received
    assert not (tmp_path / "out" / "summary.json").exists()


def test_an_isomer_as_a_wrong_block_stops_the_composition_of_checked_molecules(
    library: Any, learnt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("belka.chemistry.blocks.compose.CHECKED_SHARE", 1)
    assert both(library, learnt)[0].composed.all()
    row = library.row_of(GLYCINE, "C#CCN", PROPYL)
    with pytest.raises(BelkaError, match=f"molecule {row}: "):
        both(library.relabel(row, 3, ISOPROPYL), learnt)


@pytest.mark.parametrize("position", [2, 3])
def test_a_block_that_all_molecules_list_as_its_isomer_stops_the_composition(
    library: Any, learnt: Path, position: int
) -> None:
    """The checksum cannot tell the two apart, and the molecules need not be those that the tables were audited on."""
    wrong, propyl = library, library.catalogue.index(PROPYL)
    ids = library.molecules[f"block{position}_id"].to_pylist()
    for row in (row for row, block in enumerate(ids) if block == propyl):
        wrong = wrong.relabel(row, position, ISOPROPYL)
    with pytest.raises(BelkaError, match="differs from the one RDKit computes"):
        both(library=wrong, learnt=learnt)


def test_a_stereo_isomer_as_a_wrong_block_stops_the_composition(
    build_library: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("belka.chemistry.blocks.compose.CHECKED_SHARE_ISOMERS", 1)
    left, right, other = "C[C@H](N)C(C)C", "C[C@@H](N)C(C)C", "C#CCN"
    texts = {left: "N[C@@H](C)C(C)C", right: "N[C@H](C)C(C)C", other: "NCC#C"}
    catalogue = sorted([GLYCINE, *texts])
    number = catalogue.index
    rows = [
        (
            Chem.CanonSmiles(f"c1({texts[b]})nc({texts[c]})nc(NCC(=O)N[Dy])n1").replace("[NH][Dy]", "N[Dy]"),
            number(GLYCINE),
            number(b),
            number(c),
        )
        for b in texts
        for c in texts
    ]
    right_library = build_library(catalogue, rows)
    learn(right_library.write(tmp_path / "molecules"), tmp_path / "out")
    result, direct = both(right_library, tmp_path / "out")
    assert result.composed.all()
    assert (result.packed == direct.packed).all()
    swapped = [(smiles, a, number(left) if b == number(right) else b, c) for smiles, a, b, c in rows]
    with pytest.raises(BelkaError, match="differs from the one RDKit computes"):
        both(build_library(catalogue, swapped), tmp_path / "out")


def test_a_block_that_is_another_everywhere_gets_no_licence(
    library: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = ["NC1CCCC1" if block == "NC1CC1" else block for block in library.catalogue]
    renamed = type(library)(catalogue, library.molecules)
    with caplog.at_level(logging.WARNING):
        summary = learn(renamed.write(tmp_path / "molecules"), tmp_path / "out")
    assert summary["blocks"] == 10
    assert summary["refused_references"] == {"its fragments are not the blocks it is listed with": 52}
    assert "do not consist of the blocks they are listed with" in caplog.text
    result, direct = both(renamed, tmp_path / "out")
    assert (result.packed == direct.packed).all()
    assert 0 < result.composed.sum() < len(library.molecules)


def test_a_block_with_two_faces_gets_no_licence(library: Any, tmp_path: Path) -> None:
    merged = library
    glycine, proline = (library.catalogue.index(block) for block in (GLYCINE, PROLINE))
    for row, block in enumerate(library.molecules["block1_id"].to_pylist()):
        if block == proline:
            merged = merged.relabel(row, 1, GLYCINE)
    summary = learn(merged.write(tmp_path / "molecules"), tmp_path / "out")
    assert summary["ambiguous_blocks"] == [GLYCINE]
    result, direct = both(merged, tmp_path / "out")
    assert not result.composed[[block == glycine for block in merged.molecules["block1_id"].to_pylist()]].any()
    assert (result.packed == direct.packed).all()


def test_too_few_molecules_of_a_block_give_no_licence(library: Any, tmp_path: Path) -> None:
    glycine = library.catalogue.index(GLYCINE)
    rows = [i for i, block in enumerate(library.molecules["block1_id"].to_pylist()) if block == glycine]
    rare = type(library)(library.catalogue, library.molecules.take(rows[:2]))
    summary = learn(rare.write(tmp_path / "molecules", files=1), tmp_path / "out")
    assert (summary["blocks"], summary["cores"], summary["audit"]) == (0, 0, None)
    source = fingerprint_source(DEFAULT, tmp_path / "out", tmp_path / "molecules")
    assert isinstance(source, DirectFingerprints)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "direct"}, ""),
        ({"radius": 3}, "radius 3 reach across building blocks and are computed from the SMILES; up to radius 2"),
    ],
)
def test_nothing_is_learnt_where_nothing_may_be_composed(
    changes: dict[str, Any], reason: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        summary = learn(folder, tmp_path, FingerprintSettings(**changes))
    assert (reason in caplog.text) if reason else not caplog.text
    assert (summary["blocks"], summary["references"], summary["audit"]) == (0, 0, None)
    assert isinstance(fingerprint_source(FingerprintSettings(**changes), tmp_path, folder), DirectFingerprints)


@pytest.mark.parametrize("method", ["auto", "direct"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ecfp"])
def test_only_ecfp_is_composed_and_the_log_says_so(
    kind: str, method: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = {"maccs": 168, "pubchem": 888}.get(kind, 2048)
    settings = FingerprintSettings.model_validate({"kind": kind, "size": size, "method": method})
    with caplog.at_level(logging.WARNING):
        summary = learn(folder, tmp_path, settings)
    assert (summary["blocks"], summary["cores"], summary["references"], summary["audit"]) == (0, 0, 0, None)
    assert summary["ecfp"]["kind"] == kind
    said = f"Every {settings.name} fingerprint is computed from its SMILES by scikit-fingerprints: only ECFP can be"
    assert (said in caplog.text) == (method == "auto")
    assert load_tables(tmp_path).settings.stored() == settings.stored()
    for tables in (tmp_path, None):
        assert isinstance(fingerprint_source(settings, tables, folder), DirectFingerprints)


def test_tables_of_ecfp_compose_no_other_fingerprint(library: Any, learnt: Path, folder: Path) -> None:
    settings = FingerprintSettings(kind="fcfp")
    batch = library.molecules.to_batches()[0].slice(0, 5)
    result = fingerprint_source(settings, learnt, folder).compute(batch)
    expected = ECFPFingerprint(use_pharmacophoric_invariants=True, include_chirality=True).transform(
        batch.column("smiles_no_linker").to_pylist()
    )
    assert np.unpackbits(result.packed, axis=1).tolist() == expected.tolist()
    assert not result.composed.any()


def test_tables_that_name_no_kind_are_of_ecfp(learnt: Path, folder: Path, tmp_path: Path) -> None:
    for name in ("block_fingerprints.parquet", "core_fingerprints.parquet"):
        table = pq.read_table(learnt / name)
        metadata = json.loads(table.schema.metadata[b"learnt_with"])
        del metadata["settings"]["kind"]
        pq.write_table(table.replace_schema_metadata({"learnt_with": json.dumps(metadata)}), tmp_path / name)
    assert isinstance(fingerprint_source(DEFAULT, tmp_path, folder), ComposedEcfp)


def test_other_settings_than_learnt_are_computed_directly(
    learnt: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(fingerprint_source(DEFAULT, None, folder), DirectFingerprints)
    assert isinstance(fingerprint_source(DEFAULT, learnt, folder), ComposedEcfp)
    assert isinstance(fingerprint_source(FingerprintSettings(size=1024), learnt, folder), DirectFingerprints)
    assert "learnt for ECFP of 2048 bits, radius 2, with chirality, not for ECFP of 1024 bits" in caplog.text
    assert "all are computed from the SMILES" in caplog.text


def test_tables_of_another_rdkit_are_refused(learnt: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherRdkit:
        __version__ = "2020.09.1"

    monkeypatch.setattr(row_tables, "rdkit", OtherRdkit)
    with pytest.raises(InputError, match=r"another version of RDKit[\s\S]*runs 2020.09.1[\s\S]*make_dataset again"):
        fingerprint_source(DEFAULT, learnt, folder)


def test_missing_and_broken_tables_are_errors(learnt: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_tables(tmp_path)
    for name in ("block_fingerprints.parquet", "core_fingerprints.parquet"):
        (tmp_path / name).write_bytes((learnt / name).read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be read"):
        load_tables(tmp_path)


def test_the_same_molecules_give_the_same_bytes(library: Any, learnt: Path, tmp_path: Path) -> None:
    learn(library.write(tmp_path / "molecules", files=5), tmp_path / "out", n_workers=2)
    for path in learnt.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name
    assert json.loads((learnt / "summary.json").read_text())["audit"]["n_contradicted"] == 0
