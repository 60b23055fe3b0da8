"""The descriptors that the stage mtr predicts: numbers that RDKit computes of a molecule's graph, without labels.

`DESCRIPTORS` are 189 of the 217 in `rdkit.Chem.Descriptors.descList` of RDKit 2026.3: all of two dimensions that are a
finite number for any molecule, the DNA linker [Dy] and other metals included. Left out are

- the 26 that rest on Gasteiger's partial charges (BCUT2D_*, PEOE_VSA*, Max/Min[Abs]PartialCharge): the method has no
  parameters for dysprosium and most metals, so that they are not a number there, or one that means nothing;
- Ipc, which grows exponentially with the molecule (6e8 at the median of the library, beyond float32 in large ones);
  AvgIpc tells the same and is here;
- qed, which is made of properties that are here, and the slowest of all.

They are computed of the molecule without its linker, which is what the model's tokens show.

Source: RDKit, Chem/Descriptors.py; regression of RDKit's descriptors as a pre-training task: Ahmad et al., ChemBERTa-2,
arXiv:2209.01712 (2022).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from belka.chemistry.smiles import parse

LEFT_OUT: Final = (
    *(f"BCUT2D_{kind}" for kind in ("MWHI", "MWLOW", "CHGHI", "CHGLO", "LOGPHI", "LOGPLOW", "MRHI", "MRLOW")),
    *(f"PEOE_VSA{number}" for number in range(1, 15)),
    *("MaxPartialCharge", "MinPartialCharge", "MaxAbsPartialCharge", "MinAbsPartialCharge"),
    "Ipc",
    "qed",
)
_NAMES: Final = """
MaxAbsEStateIndex MaxEStateIndex MinAbsEStateIndex MinEStateIndex SPS MolWt HeavyAtomMolWt ExactMolWt
NumValenceElectrons NumRadicalElectrons FpDensityMorgan1 FpDensityMorgan2 FpDensityMorgan3 AvgIpc BalabanJ BertzCT
Chi0 Chi0n Chi0v Chi1 Chi1n Chi1v Chi2n Chi2v Chi3n Chi3v Chi4n Chi4v HallKierAlpha Kappa1 Kappa2 Kappa3 LabuteASA
SMR_VSA1 SMR_VSA10 SMR_VSA2 SMR_VSA3 SMR_VSA4 SMR_VSA5 SMR_VSA6 SMR_VSA7 SMR_VSA8 SMR_VSA9 SlogP_VSA1 SlogP_VSA10
SlogP_VSA11 SlogP_VSA12 SlogP_VSA2 SlogP_VSA3 SlogP_VSA4 SlogP_VSA5 SlogP_VSA6 SlogP_VSA7 SlogP_VSA8 SlogP_VSA9 TPSA
EState_VSA1 EState_VSA10 EState_VSA11 EState_VSA2 EState_VSA3 EState_VSA4 EState_VSA5 EState_VSA6 EState_VSA7
EState_VSA8 EState_VSA9 VSA_EState1 VSA_EState10 VSA_EState2 VSA_EState3 VSA_EState4 VSA_EState5 VSA_EState6
VSA_EState7 VSA_EState8 VSA_EState9 FractionCSP3 HeavyAtomCount NHOHCount NOCount NumAliphaticCarbocycles
NumAliphaticHeterocycles NumAliphaticRings NumAmideBonds NumAromaticCarbocycles NumAromaticHeterocycles
NumAromaticRings NumAtomStereoCenters NumBridgeheadAtoms NumHAcceptors NumHDonors NumHeteroatoms NumHeterocycles
NumRotatableBonds NumSaturatedCarbocycles NumSaturatedHeterocycles NumSaturatedRings NumSpiroAtoms
NumUnspecifiedAtomStereoCenters Phi RingCount MolLogP MolMR fr_Al_COO fr_Al_OH fr_Al_OH_noTert fr_ArN fr_Ar_COO
fr_Ar_N fr_Ar_NH fr_Ar_OH fr_COO fr_COO2 fr_C_O fr_C_O_noCOO fr_C_S fr_HOCCN fr_Imine fr_NH0 fr_NH1 fr_NH2 fr_N_O
fr_Ndealkylation1 fr_Ndealkylation2 fr_Nhpyrrole fr_SH fr_aldehyde fr_alkyl_carbamate fr_alkyl_halide fr_allylic_oxid
fr_amide fr_amidine fr_aniline fr_aryl_methyl fr_azide fr_azo fr_barbitur fr_benzene fr_benzodiazepine fr_bicyclic
fr_diazo fr_dihydropyridine fr_epoxide fr_ester fr_ether fr_furan fr_guanido fr_halogen fr_hdrzine fr_hdrzone
fr_imidazole fr_imide fr_isocyan fr_isothiocyan fr_ketone fr_ketone_Topliss fr_lactam fr_lactone fr_methoxy
fr_morpholine fr_nitrile fr_nitro fr_nitro_arom fr_nitro_arom_nonortho fr_nitroso fr_oxazole fr_oxime
fr_para_hydroxylation fr_phenol fr_phenol_noOrthoHbond fr_phos_acid fr_phos_ester fr_piperdine fr_piperzine
fr_priamide fr_prisulfonamd fr_pyridine fr_quatN fr_sulfide fr_sulfonamd fr_sulfone fr_term_acetylene fr_tetrazole
fr_thiazole fr_thiocyan fr_thiophene fr_unbrch_alkane fr_urea
"""
DESCRIPTORS: Final = tuple(_NAMES.split())


def describe(smiles: Sequence[str]) -> NDArray[np.float64]:
    """Compute the descriptors of molecules.

    Args:
        smiles: Texts of molecules, [H] in the place of a linker.

    Returns:
        float64 [n, n_descriptors], in the order of `DESCRIPTORS`. A value that is no finite number is NaN, and so is
        all of a text that is no molecule.
    """
    values = np.full((len(smiles), len(DESCRIPTORS)), np.nan)
    for row, text in enumerate(smiles):
        molecule = parse(text)
        if not isinstance(molecule, str):
            values[row] = _described(molecule)
    return np.where(np.isfinite(values), values, np.nan)


def _described(molecule: Chem.Mol) -> list[float]:
    # What several descriptors share, RDKit keeps in the molecule after the first of them.
    with BlockLogs():
        return [function(molecule) for function in _functions()]


@cache
def _functions() -> tuple[Callable[[Chem.Mol], float], ...]:
    from rdkit.Chem import Descriptors  # takes a while, and names alone do not need it

    known = dict(Descriptors.descList)
    return tuple(known[name] for name in DESCRIPTORS)
