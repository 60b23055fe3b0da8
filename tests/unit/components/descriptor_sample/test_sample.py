"""Which molecules the stage mtr learns from."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from described_table import Table  # type: ignore[import-not-found]
from rdkit import Chem

from belka.chemistry.blocks.fragment import cut_at_core
from belka.contract import BLOCK_IDS, BLOCKS_FILE, LINKER, LINKER_REPLACEMENT, SplitGroup, Subset
from components.descriptor_sample.sample import Sampled, join_all, recombined
from components.descriptor_sample.settings import DescriptorSettings
from components.descriptor_sample.write import Wanted, choose_molecules

ALL = 1_000_000
NOTHING = Sampled([], np.empty(0, np.int64))


def plain(smiles: list[str]) -> set[str]:
    return {text.replace(LINKER, LINKER_REPLACEMENT) for text in smiles}


def blocks_of(text: str) -> tuple[str, ...]:
    """The three blocks, read from the molecule itself; the linker's place shows as the hydrogen it became."""
    (cut,) = cut_at_core(Chem.MolFromSmiles(text))
    return tuple(sorted(block.smiles for block in cut.blocks))


def products(
    table: Table, count: int = ALL, seed: int = 1, held_out: tuple[Subset, ...] = tuple(Subset)[1:]
) -> Sampled:
    return recombined(table.folder, count, without=NOTHING, held_out=held_out, seed=seed, join=join_all)


def test_recombinations_are_the_products_of_training_blocks_that_are_nowhere_held_out(table: Table) -> None:
    found = set(products(table).smiles)
    held_out = plain(table.smiles[Subset.VALIDATION]) | plain(table.smiles[Subset.TEST])
    assert not found & held_out
    known = {block for text in table.smiles[Subset.TRAIN] if LINKER in text for block in blocks_of(text)}
    assert all(set(blocks_of(text)) <= known for text in found)
    # All of them: 3 first blocks with each of 105 pairs of 14 amines, without what is held out though its blocks train.
    assert len(found) == 3 * 105 - sum(set(blocks_of(text)) <= known for text in held_out)
    assert len(found - plain(table.smiles[Subset.TRAIN])) > 50


def test_a_molecule_that_is_there_already_is_not_drawn_again(table: Table) -> None:
    wanted = Wanted(DescriptorSettings(molecules=100, recombined_share=0.5), seed=3)
    samples, n_recombined = choose_molecules(table.folder, wanted)
    texts = samples[Subset.TRAIN].smiles
    assert len(texts) == len(set(texts)) == 100
    assert n_recombined == 50


def test_no_held_out_molecule_is_learnt_from_and_test_only_where_it_may_train(table: Table) -> None:
    for use_test in (False, True):
        wanted = Wanted(DescriptorSettings(molecules=400, recombined_share=0.5), seed=3, use_test_molecules=use_test)
        samples, _ = choose_molecules(table.folder, wanted)
        assert set(samples) == set(Subset) if use_test else set(Subset) - {Subset.TEST}
        assert not set(samples[Subset.TRAIN].smiles) & plain(table.smiles[Subset.VALIDATION])
        assert set(samples[Subset.VALIDATION].smiles) == plain(table.smiles[Subset.VALIDATION])
        assert bool(set(samples[Subset.TRAIN].smiles) & plain(table.smiles[Subset.TEST])) is use_test
        if use_test:
            assert set(samples[Subset.TEST].smiles) <= plain(table.smiles[Subset.TEST])
            n_train, n_test = (len(table.smiles[subset]) for subset in (Subset.TRAIN, Subset.TEST))
            assert len(samples[Subset.TEST].smiles) == min(n_test, 200 * n_test // (n_train + n_test))


def test_the_same_seed_draws_the_same_and_another_one_others(table: Table) -> None:
    def draw(seed: int) -> list[str]:
        wanted = Wanted(DescriptorSettings(molecules=100, recombined_share=0.5), seed=seed)
        return choose_molecules(table.folder, wanted)[0][Subset.TRAIN].smiles

    assert draw(1) == draw(1)
    assert set(draw(1)) != set(draw(2))


def test_a_held_out_molecule_in_another_spelling_is_known_by_its_blocks(table: Table, tmp_path: Path) -> None:
    """As in a table with data.spelling=as_given."""
    for subset in Subset:
        (source,) = (table.folder / f"Split-{subset.split}").iterdir()
        rows = pq.read_table(source)
        if subset is Subset.VALIDATION:
            texts = [
                Chem.MolToSmiles(Chem.MolFromSmiles(text), canonical=False, rootedAtAtom=3)
                for text in rows["smiles"].to_pylist()
            ]
            rows = rows.set_column(rows.schema.get_field_index("smiles"), "smiles", pa.array(texts))
        target = tmp_path / f"Split-{subset.split}" / source.name
        target.parent.mkdir()
        pq.write_table(rows, target)
    (tmp_path / BLOCKS_FILE).write_bytes((table.folder / BLOCKS_FILE).read_bytes())
    other = Table(tmp_path, table.smiles, table.graph)
    assert set(products(other).smiles) == set(products(table).smiles)


def test_without_blocks_nothing_is_recombined(tmp_path: Path, table: Table) -> None:
    rows = pq.read_table(next((table.folder / "Split-train").iterdir())).slice(0, 5)
    for name in BLOCK_IDS:
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array([None] * 5, pa.int32()))
    (tmp_path / "Split-train").mkdir()
    pq.write_table(rows, tmp_path / "Split-train" / "molecules-00000.parquet")
    (tmp_path / BLOCKS_FILE).write_bytes((table.folder / BLOCKS_FILE).read_bytes())
    assert products(Table(tmp_path, {}, table.graph)).smiles == []


def test_groups_are_those_of_the_table(table: Table) -> None:
    samples, _ = choose_molecules(table.folder, Wanted(DescriptorSettings(molecules=200), seed=3))
    assert set(samples[Subset.TRAIN].groups.tolist()) == {SplitGroup.SHARED}
    new = sum(group == SplitGroup.NON_SHARED for group in samples[Subset.VALIDATION].groups.tolist())
    assert 0 < new < len(samples[Subset.VALIDATION].smiles)
