"""A configuration that is an attack is refused in a moment, by name."""

from pathlib import Path

import pytest

from belka.errors import InputError
from pipeline.config.files import load_config
from pipeline.config.yaml_text import LONGEST_TEXT

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
ATTACKS = {
    "aliases": (BOMB, "aliases"),
    "an alias of itself": ("data: &a [*a]\n", "data"),
    "depth of lists": ("data: " + "[" * 50_000, "nested more than"),
    "depth of mappings": ("{a: " * 5_000, "nested more than"),
    "digits": (f"system: {{seed: {'9' * 10_000}}}\n", "a number of 10,000"),
    "digits that Python reads": (f"system: {{seed: {'9' * 4_000}}}\n", "a number of 4,000"),
    "NUL": ('data: {raw_dir: "a\\0b"}\n', "NUL"),
    "a key twice": ("training: {epochs: 1, epochs: 2}\n", "'epochs' stands twice"),
    "a section twice": ("training: {epochs: 1}\ntraining: {epochs: 2}\n", "'training' stands twice"),
    "a date that is none": ("system: {seed: 2020-99-99}\n", "month"),
    "length": ("#" * (LONGEST_TEXT + 1), "characters"),
    "Python": ("system: !!python/object/apply:os.system [id]\n", "python/object"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file(tmp_path: Path, attack: str) -> None:
    text, named = ATTACKS[attack]
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("value", ["[" * 5_000, "9" * 10_000, '"\\0"', "{a: 1, a: 2}", "2020-99-99"])
def test_an_override(value: str) -> None:
    with pytest.raises(InputError):
        load_config(None, [f"system.seed={value}"])


def test_what_nobody_attacks_with_is_read(tmp_path: Path) -> None:
    text = "training: &a {epochs: 3}\nsystem: {seed: 7}\ndata: {raw_dir: data, targets: [sEH, BRD4]}\n"
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "config.yaml").training.epochs == 3
