"""Molecules as SVG, with RDKit."""

import logging
import re
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from rdkit import Chem
from rdkit.rdBase import BlockLogs

logger = logging.getLogger(__name__)


def draw_smiles(smiles: str, width: int = 250, height: int = 170) -> str:
    """Draw a molecule in the page's text colour.

    Args:
        smiles: The molecule.
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
    drawing.PrepareAndDrawMolecule(drawer, molecule)
    drawer.FinishDrawing()
    svg: str = drawer.GetDrawingText()
    svg = re.sub(r" class='[^']*'", "", svg[svg.index("<svg") :]).replace("<!-- END OF HEADER -->", "")
    svg = re.sub(r"xmlns:(?:rdkit|xlink)='[^']*'|xml:space='[^']*'", "", svg)
    svg = svg.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{escape(smiles)}</title>", 1)
    return svg.replace("#000000", "currentColor")


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
