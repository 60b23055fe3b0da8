"""The building blocks of the demo library: common catalogue amino acids and amines.

Every SMILES is written from the amine nitrogen that attaches to the triazine; an amino acid ends with its carboxylic
acid. So a block is protected, amidated or attached by joining text, and RDKit checks what comes out.
"""

from dataclasses import dataclass
from typing import Final

from rdkit import Chem

_FMOC: Final = "O=C(OCC1c2ccccc2-c2ccccc12)"
_ACID: Final = "C(=O)O"
_LINKER_AMIDE: Final = "C(=O)N[Dy]"


@dataclass(frozen=True)
class Block:
    """One building block.

    Attributes:
        name: The catalogue name.
        fragment: SMILES as attached to the triazine, from the attaching nitrogen; BB1 ends with the linker amide.
        catalogue_smiles: Canonical SMILES of what is bought, as a raw file lists it: Fmoc-protected, or with its salt.
    """

    name: str
    fragment: str
    catalogue_smiles: str


_AMINO_ACIDS: Final = {
    "glycine": "NCC(=O)O",
    "beta-alanine": "NCCC(=O)O",
    "4-aminobutanoic acid": "NCCCC(=O)O",
    "6-aminohexanoic acid": "NCCCCCC(=O)O",
    "2-aminoisobutyric acid": "NC(C)(C)C(=O)O",
    "1-aminocyclopropanecarboxylic acid": "NC1(CC1)C(=O)O",
    "4-aminotetrahydropyran-4-carboxylic acid": "NC1(CCOCC1)C(=O)O",
    "L-alanine": "N[C@@H](C)C(=O)O",
    "L-valine": "N[C@@H](C(C)C)C(=O)O",
    "L-leucine": "N[C@@H](CC(C)C)C(=O)O",
    "L-methionine": "N[C@@H](CCSC)C(=O)O",
    "O-tert-butyl-L-serine": "N[C@@H](COC(C)(C)C)C(=O)O",
    "L-cyclohexylalanine": "N[C@@H](CC1CCCCC1)C(=O)O",
    "L-phenylalanine": "N[C@@H](Cc1ccccc1)C(=O)O",
    "D-phenylalanine": "N[C@H](Cc1ccccc1)C(=O)O",
    "4-fluoro-L-phenylalanine": "N[C@@H](Cc1ccc(F)cc1)C(=O)O",
    "3,4-difluoro-L-phenylalanine": "N[C@@H](Cc1ccc(F)c(F)c1)C(=O)O",
    "4-chloro-L-phenylalanine": "N[C@@H](Cc1ccc(Cl)cc1)C(=O)O",
    "4-cyano-L-phenylalanine": "N[C@@H](Cc1ccc(C#N)cc1)C(=O)O",
    "L-tryptophan": "N[C@@H](Cc1c[nH]c2ccccc12)C(=O)O",
    "3-(3-pyridyl)-L-alanine": "N[C@@H](Cc1cccnc1)C(=O)O",
    "3-(2-thienyl)-L-alanine": "N[C@@H](Cc1cccs1)C(=O)O",
    "L-beta-homophenylalanine": "N[C@@H](Cc1ccccc1)CC(=O)O",
    "3-amino-3-(4-chlorophenyl)propanoic acid": "N[C@H](c1ccc(Cl)cc1)CC(=O)O",
    "L-proline": "N1CCC[C@H]1C(=O)O",
    "azetidine-3-carboxylic acid": "N1CC(C1)C(=O)O",
    "isonipecotic acid": "N1CCC(CC1)C(=O)O",
    "(R)-nipecotic acid": "N1CCC[C@H](C1)C(=O)O",
    "4-(aminomethyl)cyclohexanecarboxylic acid": "NCC1CCC(CC1)C(=O)O",
    "2-aminobenzoic acid": "Nc1ccccc1C(=O)O",
    "3-aminobenzoic acid": "Nc1cccc(c1)C(=O)O",
    "4-aminobenzoic acid": "Nc1ccc(cc1)C(=O)O",
    "4-amino-3-fluorobenzoic acid": "Nc1c(F)cc(cc1)C(=O)O",
    "2-amino-5-bromobenzoic acid": "Nc1ccc(Br)cc1C(=O)O",
    "5-aminonicotinic acid": "Nc1cncc(c1)C(=O)O",
    "4-(aminomethyl)benzoic acid": "NCc1ccc(cc1)C(=O)O",
}

_AMINES: Final = {
    "aniline": "Nc1ccccc1",
    "4-fluoroaniline": "Nc1ccc(F)cc1",
    "3-chloroaniline": "Nc1cccc(Cl)c1",
    "4-methoxyaniline": "Nc1ccc(OC)cc1",
    "4-(trifluoromethoxy)aniline": "Nc1ccc(OC(F)(F)F)cc1",
    "3-aminobenzonitrile": "Nc1cccc(C#N)c1",
    "4-morpholinoaniline": "Nc1ccc(cc1)N1CCOCC1",
    "sulfanilamide": "Nc1ccc(cc1)S(N)(=O)=O",
    "3-aminopyridine": "Nc1cccnc1",
    "2-aminothiazole": "Nc1nccs1",
    "3-amino-5-methylisoxazole": "Nc1noc(C)c1",
    "5-amino-1-methylpyrazole": "Nc1ccnn1C",
    "benzylamine": "NCc1ccccc1",
    "4-fluorobenzylamine": "NCc1ccc(F)cc1",
    "4-chlorobenzylamine": "NCc1ccc(Cl)cc1",
    "3-(trifluoromethyl)benzylamine": "NCc1cccc(C(F)(F)F)c1",
    "4-methoxybenzylamine": "NCc1ccc(OC)cc1",
    "2-picolylamine": "NCc1ccccn1",
    "4-picolylamine": "NCc1ccncc1",
    "furfurylamine": "NCc1ccco1",
    "2-thiophenemethylamine": "NCc1cccs1",
    "(R)-1-phenylethylamine": "N[C@H](C)c1ccccc1",
    "(S)-1-phenylethylamine": "N[C@@H](C)c1ccccc1",
    "phenethylamine": "NCCc1ccccc1",
    "2-(4-chlorophenyl)ethylamine": "NCCc1ccc(Cl)cc1",
    "tryptamine": "NCCc1c[nH]c2ccccc12",
    "cyclopropylamine": "NC1CC1",
    "cyclopentylamine": "NC1CCCC1",
    "cyclohexylamine": "NC1CCCCC1",
    "cyclohexanemethylamine": "NCC1CCCCC1",
    "isobutylamine": "NCC(C)C",
    "neopentylamine": "NCC(C)(C)C",
    "propargylamine": "NCC#C",
    "ethanolamine": "NCCO",
    "2-methoxyethylamine": "NCCOC",
    "3-isopropoxypropylamine": "NCCCOC(C)C",
    "(S)-tetrahydrofurfurylamine": "NC[C@@H]1CCCO1",
    "4-aminotetrahydropyran": "NC1CCOCC1",
    "2-morpholinoethylamine": "NCCN1CCOCC1",
    "N,N-dimethylethylenediamine": "NCCN(C)C",
    "morpholine": "N1CCOCC1",
    "pyrrolidine": "N1CCCC1",
    "piperidine": "N1CCCCC1",
    "4-phenylpiperidine": "N1CCC(CC1)c1ccccc1",
    "1-Boc-piperazine": "N1CCN(CC1)C(=O)OC(C)(C)C",
    "thiomorpholine 1,1-dioxide": "N1CCS(=O)(=O)CC1",
}

_AMINE_HYDROCHLORIDES: Final = {
    "2,2,2-trifluoroethylamine hydrochloride": "NCC(F)(F)F",
    "aminoacetonitrile hydrochloride": "NCC#N",
    "glycinamide hydrochloride": "NCC(N)=O",
    "2-(methylsulfonyl)ethylamine hydrochloride": "NCCS(C)(=O)=O",
    "amantadine hydrochloride": "NC12CC3CC(CC(C3)C1)C2",
    "3,3-difluoropyrrolidine hydrochloride": "N1CCC(F)(F)C1",
    "trans-2-aminocyclohexanol hydrochloride": "N[C@@H]1CCCC[C@H]1O",
    "6-(aminomethyl)indole hydrochloride": "NCc1ccc2cc[nH]c2c1",
}


def amino_acid_blocks() -> tuple[Block, ...]:
    """The blocks of position 1: Fmoc-protected amino acids, whose acid carries the DNA linker."""
    return tuple(
        Block(name, smiles.removesuffix(_ACID) + _LINKER_AMIDE, Chem.CanonSmiles(_FMOC + smiles))
        for name, smiles in _AMINO_ACIDS.items()
    )


def amine_blocks() -> tuple[Block, ...]:
    """The blocks of positions 2 and 3: amines, some listed as hydrochlorides."""
    free = [Block(name, smiles, Chem.CanonSmiles(smiles)) for name, smiles in _AMINES.items()]
    salts = [Block(name, smiles, Chem.CanonSmiles(f"{smiles}.Cl")) for name, smiles in _AMINE_HYDROCHLORIDES.items()]
    return (*free, *salts)
