"""What is counted of served molecules, by hand."""

from belka.predict.check import CheckedSmiles
from belka.serving.drift import FAR, HELP, MOLECULES, UNREADABLE, ServedCounts

BLOCK = frozenset({1})


def values(counts: ServedCounts) -> dict[tuple[str, str], int]:
    return {(each.name, each.labels.get("new_blocks", "")): each.value for each in counts.samples()}


def test_molecules_are_counted_by_their_new_blocks() -> None:
    counts = ServedCounts(compared=True)
    counts.add(
        [
            CheckedSmiles("a", block_similarity=1.0, new_blocks=()),
            CheckedSmiles("b", block_similarity=0.4, new_blocks=(BLOCK,)),
            CheckedSmiles("c", block_similarity=0.39, new_blocks=(BLOCK, BLOCK)),
            CheckedSmiles("d", block_similarity=0.1, new_blocks=(BLOCK, BLOCK, BLOCK)),
        ]
    )
    counts.add([CheckedSmiles("e"), CheckedSmiles("", "empty SMILES"), CheckedSmiles("a", new_blocks=())])
    assert values(counts) == {
        (MOLECULES, "0"): 2,
        (MOLECULES, "1"): 1,
        (MOLECULES, "2"): 1,
        (MOLECULES, "3"): 1,
        (MOLECULES, "none"): 1,
        (MOLECULES, "not_compared"): 0,
        (UNREADABLE, ""): 1,
        (FAR, ""): 2,
    }


def test_without_training_blocks_nothing_is_said_to_be_new_or_missing() -> None:
    counts = ServedCounts(compared=False)
    counts.add([CheckedSmiles("a"), CheckedSmiles("b")])
    found = values(counts)
    assert found.pop((MOLECULES, "not_compared")) == 2
    assert set(found.values()) == {0}


def test_every_counter_is_there_before_anything_is_served() -> None:
    samples = list(ServedCounts(compared=True).samples())
    assert {each.name for each in samples} == HELP.keys()
    assert {each.value for each in samples} == {0}
