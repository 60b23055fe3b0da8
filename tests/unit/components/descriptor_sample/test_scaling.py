"""Median and spread of descriptors, by hand."""

import numpy as np
import pytest

from components.descriptor_sample.scaling import CLIP, DescriptorScale

NAN = float("nan")
# Spread over its quartiles; rare; the same in all; rounding of the same; never defined; once not defined.
VALUES = np.array(
    [
        [1.0, 0.0, 7.0, 0.3, NAN, NAN],
        [2.0, 0.0, 7.0, 0.1 + 0.2, NAN, 1.0],
        [3.0, 0.0, 7.0, 0.3, NAN, 2.0],
        [4.0, 0.0, 7.0, 0.3, NAN, 3.0],
        [100.0, 10.0, 7.0, 0.3, NAN, 4.0],
    ]
)


def test_the_scale_by_hand() -> None:
    scale = DescriptorScale.fit([VALUES[:2], VALUES[2:]])
    # Quartiles of 1, 2, 3, 4, 100 are 2, 3 and 4; of 1, 2, 3, 4 they are 1.75, 2.5 and 3.25.
    np.testing.assert_allclose(scale.median, [3.0, 0.0, 7.0, 0.3, 0.0, 2.5])
    # 0, 0, 0, 0, 10 has no interquartile range; its mean is 2, and its variance (4 x 4 + 64) / 5 = 16.
    np.testing.assert_allclose(scale.spread, [2.0, 4.0, 1.0, 1.0, 1.0, 1.5])
    assert scale.is_constant.tolist() == [False, False, True, True, True, False]


def test_values_are_scaled_and_clipped_and_what_is_not_defined_stays_so() -> None:
    scale = DescriptorScale.fit([VALUES])
    scaled = scale.applied(VALUES)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[:, 0], [-1.0, -0.5, 0.0, 0.5, CLIP])
    np.testing.assert_allclose(scaled[:, 1], [0.0, 0.0, 0.0, 0.0, 2.5])
    np.testing.assert_array_equal(scaled[:, 2], 0.0)
    np.testing.assert_allclose(scaled[:, 3], 0.0, atol=1e-15)
    assert np.isnan(scaled[:, 4]).all()
    assert np.isnan(scaled[0, 5])
    assert scale.applied(np.full((1, 6), -1e9))[0, 0] == -CLIP


def test_what_is_told_has_the_numbers_and_their_names() -> None:
    told = DescriptorScale.fit([VALUES]).told(tuple("abcdef"))
    assert (told["names"], told["constant"], told["clip"]) == (list("abcdef"), ["c", "d", "e"], CLIP)
    assert told["median"][0] == pytest.approx(3.0)
    assert told["spread"][1] == pytest.approx(4.0)
