"""The rule about a SMILES, `belka.chemistry.smiles`, in SQL.

Nearly every text is used as it is, which one regular expression tells; the others go through the rule one by one.
"""

from typing import Any, Final

from belka.chemistry.smiles import PLAIN_TEXT, read_text
from belka.queries import sql_string

# SQL of whether a text, `smiles_text`, held more than its `smiles`; only what differs from it is read again.
IS_CUT_SQL: Final = "CASE WHEN smiles = smiles_text THEN false ELSE read_smiles(smiles_text).name <> '' END"


def define_smiles_functions(engine: Any) -> None:
    """Give DuckDB the rule as `read_smiles(text)`: its smiles, name and reason, each '' where there is none."""
    engine.create_function(
        "read_smiles",
        lambda text: read_text(text)._asdict(),
        ["VARCHAR"],
        "STRUCT(smiles VARCHAR, name VARCHAR, reason VARCHAR)",
        null_handling="special",
    )


def is_plain_sql(column: str) -> str:
    """SQL of whether a text is used as it is; never null."""
    return f"coalesce(regexp_full_match({column}, {sql_string(PLAIN_TEXT)}), false)"


def usable_smiles_sql(column: str) -> str:
    """SQL of the SMILES in a text, VARCHAR; null where there is none."""
    return f"(CASE WHEN {is_plain_sql(column)} THEN {column} ELSE nullif(read_smiles({column}).smiles, '') END)"
