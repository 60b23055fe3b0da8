"""The scattering is splitmix64, as others compute it: orders and draws of an earlier run come out again."""

import numpy as np

from belka.hashing import splitmix64

# The first five numbers of the generator started at 1234567, as published for it (Vigna's splitmix64.c).
OF_1234567 = [
    *(6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821),
]


def test_steps_are_those_of_the_generator() -> None:
    assert [int(splitmix64(np.array([1234567]), step)[0]) for step in range(1, 6)] == OF_1234567
    assert splitmix64(np.array([1234567])).tolist() == OF_1234567[:1]


def test_a_value_has_one_result_in_any_batch() -> None:
    values = np.arange(-500, 500)
    found = splitmix64(values)
    assert found.dtype == np.uint64
    assert len(set(found.tolist())) == 1000
    assert splitmix64(values[::-7]).tolist() == found[::-7].tolist()
