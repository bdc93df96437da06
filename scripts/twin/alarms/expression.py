"""The metric math and the rules of composite alarms that our templates have, and nothing else.

"Using math expressions with CloudWatch metrics" and "Creating a composite alarm" in the CloudWatch User Guide. Both are
written so that Python's own parser reads them; what is not listed here is refused.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import cache

from scripts.twin.alarms.samples import Unreadable

Number = float | None  # None: no data
OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}
WORDS = re.compile(r'("[^"]*")|\b(AND|OR|NOT)\b')


def calculated(formula: str, known: Mapping[str, Number]) -> Number:
    """With these numbers for its names. What lacks data, or divides by nothing, has none. Raises Unreadable."""
    return _number(_parsed(formula), known)


def holds(rule: str, raised: Callable[[str], bool]) -> bool:
    """Of a composite alarm; `raised` says whether the alarm of that name is on. Raises Unreadable."""
    return _truth(_parsed(WORDS.sub(lambda found: found[1] or found[2].lower(), rule)), raised)


@cache
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        raise Unreadable(f"The twin cannot read {text!r}.") from None


def _number(node: ast.expr, known: Mapping[str, Number]) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _combined(OPERATORS[type(op)], _number(left, known), _number(right, known))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            return _combined(COMPARISONS[type(op)], _number(left, known), _number(right, known))
        case ast.Call(
            func=ast.Name(id="FILL"), args=[inner, ast.Constant(value=int() | float() as value)], keywords=[]
        ):
            found = _number(inner, known)
            return float(value) if found is None else found
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise], keywords=[]):
            found = _number(condition, known)
            both = _number(then, known), _number(otherwise, known)  # so that what is unreadable is found either way
            return None if found is None else both[0] if found else both[1]
    raise Unreadable(f"The twin does not know {ast.unparse(node)!r}.")


def _combined(operate: Callable[[float, float], float], left: Number, right: Number) -> Number:
    if left is None or right is None:
        return None
    try:
        return float(operate(left, right))
    except ZeroDivisionError:
        return None


def _truth(node: ast.expr, raised: Callable[[str], bool]) -> bool:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            each = [_truth(value, raised) for value in values]  # all of them, so that the unreadable is found
            return all(each)
        case ast.BoolOp(op=ast.Or(), values=values):
            each = [_truth(value, raised) for value in values]
            return any(each)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _truth(inner, raised)
        case ast.Call(func=ast.Name(id="ALARM"), args=[ast.Constant(value=str() as name)], keywords=[]):
            return raised(name)
    raise Unreadable(f"The twin does not know {ast.unparse(node)!r}.")
