"""Evaluate the conditions of tasks: the part of the Common Expression Language that TFX and kfp write."""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from belka.errors import InputError

_TEXT_OR_OPERATOR: Final = re.compile(r"""'[^']*'|"[^"]*"|&&|\|\||!(?!=)|\b(?:true|false)\b""")
_IN_PYTHON: Final = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_JUNCTIONS: Final[Mapping[type[ast.boolop], Callable[[Iterable[Any]], bool]]] = {ast.And: all, ast.Or: any}
_SIGNS: Final[Mapping[type[ast.unaryop], Callable[[Any], Any]]] = {ast.Not: operator.not_, ast.USub: operator.neg}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_CASTS: Final[Mapping[str, Callable[[Any], Any]]] = {"int": int, "double": float, "string": str}


def evaluate_condition(expression: str, inputs: Mapping[str, Any]) -> bool:
    """Whether a task is to run.

    Args:
        expression: For instance `inputs.artifacts['blessing'].artifacts[0].metadata['blessed'] == 1.0`.
        inputs: The inputs of the task's ExecutorInput, as JSON.

    Raises:
        InputError: The expression uses what neither TFX nor kfp writes, or names an input that does not exist.
    """
    scope = {"artifacts": inputs.get("artifacts", {}), "parameter_values": inputs.get("parameterValues", {})}
    try:
        python = _TEXT_OR_OPERATOR.sub(lambda found: _IN_PYTHON.get(found[0], found[0]), expression)
        tree = ast.parse(python.strip(), mode="eval")
        return bool(_evaluate(tree.body, {"inputs": scope}))
    except (SyntaxError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "A task's condition cannot be evaluated.",
            received=f"{expression} ({type(error).__name__}: {error})",
            expected="comparisons of URIs and metadata of input artifacts or of parameters, joined by &&, || and !",
            action="See the conditions in the compiled pipeline.",
        ) from error


def _evaluate(node: ast.expr, scope: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one case for each type of node
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return scope[name]
        case ast.Attribute(value=value, attr=name):
            return _evaluate(value, scope)[name]
        case ast.Subscript(value=value, slice=index):
            return _evaluate(value, scope)[_evaluate(index, scope)]
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            return _SIGNS[type(sign)](_evaluate(operand, scope))
        case ast.BoolOp(op=junction, values=values):
            return _JUNCTIONS[type(junction)](_evaluate(value, scope) for value in values)
        case ast.Compare(left=left, ops=[compare], comparators=[right]) if type(compare) in _COMPARISONS:
            return _COMPARISONS[type(compare)](_evaluate(left, scope), _evaluate(right, scope))
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _evaluate(left, scope) + _evaluate(right, scope)
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _CASTS:
            return _CASTS[name](_evaluate(argument, scope))
    raise ValueError(f"unsupported: {ast.unparse(node)}")
