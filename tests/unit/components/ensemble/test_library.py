"""Tables of blocks and their similarities."""

import numpy as np
from rdkit import DataStructs

from components.ensemble.library import make_library, tanimoto


def test_codes_lead_back_to_the_blocks() -> None:
    blocks = np.random.default_rng(0).integers(0, 4, (50, 9)).astype(np.uint8)
    library, codes = make_library(blocks)
    parts = blocks.reshape(50, 3, 3)
    np.testing.assert_array_equal(library.first[codes[:, 0]], parts[:, 0])
    np.testing.assert_array_equal(library.others[codes[:, 1:]], parts[:, 1:])
    assert len(np.unique(library.others, axis=0)) == len(library.others)


def test_similarity_is_rdkits() -> None:
    packed = np.random.default_rng(1).integers(0, 256, (6, 8)).astype(np.uint8)
    vectors = [DataStructs.CreateFromBitString("".join(map(str, row))) for row in np.unpackbits(packed, axis=1)]
    expected = [DataStructs.BulkTanimotoSimilarity(one, vectors) for one in vectors]
    np.testing.assert_allclose(tanimoto(packed, packed), expected, rtol=1e-6)


def test_a_block_without_bits_is_like_none() -> None:
    assert not tanimoto(np.zeros((1, 8), np.uint8), np.zeros((1, 8), np.uint8)).any()
