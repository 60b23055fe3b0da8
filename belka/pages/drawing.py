"""Molecules as SVG, with RDKit."""

import logging
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from xml.sax.saxutils import escape

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from belka.chemistry.blocks.fragment import DYSPROSIUM

# Blue and orange of the page, between light and dark, which readers who do not tell red from green tell apart.
_RAISES: Final = (0.15, 0.39, 0.92)
_LOWERS: Final = (0.92, 0.45, 0.1)
_STRONGEST: Final = 0.6  # opacity, so that letters stay readable
_LEAST: Final = 0.05  # share of the largest weight below which an atom has no colour
_FULL: Final = 0.1  # weight that has the strongest colour at the least: of nothings, none is a large one
_LETTER: Final = 9  # pixels at the least, as of all text on our pages
logger = logging.getLogger(__name__)


def draw_smiles(smiles: str, weights: Sequence[float] = (), width: int = 250, height: int = 170) -> str:
    """Draw a molecule in the page's text colour.

    Args:
        smiles: The molecule.
        weights: Of each atom but hydrogen and the linker, in the order of the SMILES: what is above 0 lies on blue,
            what is below on orange, the largest on the strongest colour where it is 0.1 or more; empty = no
            colours.
        width: Pixels.
        height: Pixels.

    Returns:
        An `<svg>` element; empty where RDKit cannot parse the SMILES or this machine lacks the libraries for drawing.
    """
    drawing = _drawing_module()
    if drawing is None:
        return ""
    with BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if smiles else None
    if molecule is None:
        return ""
    drawer = drawing.MolDraw2DSVG(width, height)
    options = drawer.drawOptions()
    options.clearBackground = False
    options.useBWAtomPalette()
    options.minFontSize = _LETTER
    colours = _colours(molecule, weights)
    drawing.PrepareAndDrawMolecule(drawer, molecule, highlightAtoms=list(colours), highlightAtomColors=colours)
    drawer.FinishDrawing()
    svg: str = drawer.GetDrawingText()
    svg = re.sub(r" class='[^']*'", "", svg[svg.index("<svg") :]).replace("<!-- END OF HEADER -->", "")
    svg = re.sub(r"xmlns:(?:rdkit|xlink)='[^']*'|xml:space='[^']*'", "", svg)
    svg = svg.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{escape(smiles)}</title>", 1)
    return svg.replace("#000000", "currentColor")


def _colours(molecule: Chem.Mol, weights: Sequence[float]) -> dict[int, tuple[float, float, float, float]]:
    """Atom -> red, green, blue and opacity."""
    largest = max([*map(abs, weights), _FULL])
    own = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() != DYSPROSIUM]
    if len(own) != len(weights):
        return {}
    return {
        index: (*(_RAISES if weight > 0 else _LOWERS), _STRONGEST * abs(weight) / largest)
        for index, weight in zip(own, weights, strict=True)
        if abs(weight) / largest >= _LEAST
    }


@cache
def _drawing_module() -> Any:
    """RDKit's drawing, or None: its wheel wants X11's client libraries, which containers often lack."""
    try:
        import rdkit.Chem.Draw.rdMolDraw2D
    except ImportError as error:
        logger.warning(
            "The report shows molecules as SMILES only: %s. Install the system packages of libX11, libXext, libXrender "
            "and libexpat (Debian: libxrender1 libxext6 libexpat1) to have them drawn.",
            error,
        )
        return None
    return rdkit.Chem.Draw.rdMolDraw2D
