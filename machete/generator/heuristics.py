"""Conditions on the problem's shape: parsed, decided, evaluated, written as C++.

A condition compares M (tokens), N (output features) or K (input features) with integers and joins
comparisons by `and` and `or`. A comparison has one variable, so that the integers cut each
variable's range into intervals in which nothing changes, and trying one point of each decides
whether a branch can ever be taken.
"""

import ast
import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence

from machete.generator.errors import GeneratorError

VARIABLES = ("M", "N", "K")

_ALLOWED = (
    "allowed: comparisons of one of M, N, K with an integer from 0 to 2^63 - 1,"
    " joined by `and`, `or`"
)


@dataclasses.dataclass(frozen=True)
class _Operator:
    """A comparison in Python and C++, and what it is with its sides exchanged."""

    cpp: str
    holds: Callable[[int, int], bool]
    mirrored: str
    cuts: tuple[int, ...]
    """Where the truth of `x OP c` changes as x grows, relative to c."""


_OPERATORS: dict[type[ast.cmpop], _Operator] = {
    ast.Lt: _Operator("<", operator.lt, ">", (0,)),
    ast.LtE: _Operator("<=", operator.le, ">=", (1,)),
    ast.Gt: _Operator(">", operator.gt, "<", (1,)),
    ast.GtE: _Operator(">=", operator.ge, "<=", (0,)),
    ast.Eq: _Operator("==", operator.eq, "==", (0, 1)),
    ast.NotEq: _Operator("!=", operator.ne, "!=", (0, 1)),
}
_BY_CPP = {op.cpp: op for op in _OPERATORS.values()}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """`variable OP constant`."""

    variable: str
    operator: _Operator
    constant: int

    def holds(self, shape: Mapping[str, int]) -> bool:
        """Evaluates the comparison."""
        return self.operator.holds(shape[self.variable], self.constant)

    def cpp(self) -> str:
        """Writes the comparison as C++."""
        return f"{self.variable} {self.operator.cpp} {self.constant}"

    def comparisons(self) -> Iterator["Comparison"]:
        """Yields itself."""
        yield self


@dataclasses.dataclass(frozen=True)
class Junction:
    """Two or more conditions joined by `and` or by `or`."""

    joined_by_and: bool
    terms: tuple["Condition", ...]

    def holds(self, shape: Mapping[str, int]) -> bool:
        """Evaluates the conditions, from left to right."""
        return (all if self.joined_by_and else any)(term.holds(shape) for term in self.terms)

    def cpp(self) -> str:
        """Writes the conditions as C++, nested ones in parentheses."""
        terms = (f"({t.cpp()})" if isinstance(t, Junction) else t.cpp() for t in self.terms)
        return (" && " if self.joined_by_and else " || ").join(terms)

    def comparisons(self) -> Iterator[Comparison]:
        """Yields all comparisons below."""
        for term in self.terms:
            yield from term.comparisons()


Condition = Comparison | Junction


def parse(text: str) -> Condition:
    """Parses a condition; raises GeneratorError with the piece that is not allowed."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise GeneratorError(f"not an expression ({error}); {_ALLOWED}") from error
    return _parse_node(tree.body, text)


def _parse_node(node: ast.expr, text: str) -> Condition:
    match node:
        case ast.BoolOp():
            terms = tuple(_parse_node(value, text) for value in node.values)
            return Junction(isinstance(node.op, ast.And), terms)
        case ast.Compare():
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            comparisons = tuple(_parse_comparison(*pair, node, text) for pair in pairs)
            return comparisons[0] if len(comparisons) == 1 else Junction(True, comparisons)
        case _:
            raise _refusal(node, text)


def _parse_comparison(
    left: ast.expr, op: ast.cmpop, right: ast.expr, whole: ast.expr, text: str
) -> Comparison:
    if type(op) not in _OPERATORS:
        raise _refusal(whole, text)
    meaning = _OPERATORS[type(op)]
    match _parse_operand(left, text), _parse_operand(right, text):
        case str() as variable, int() as constant:
            return Comparison(variable, meaning, constant)
        case int() as constant, str() as variable:
            return Comparison(variable, _BY_CPP[meaning.mirrored], constant)
        case _:
            raise _refusal(whole, text)


def _parse_operand(node: ast.expr, text: str) -> str | int:
    match node:
        case ast.Name(id=name) if name in VARIABLES:
            return name
        # The exact type, since True and False are integers too.
        case ast.Constant(value=value) if type(value) is int and value < 2**63:
            return value
        case _:
            raise _refusal(node, text)


def _refusal(node: ast.expr, text: str) -> GeneratorError:
    return GeneratorError(f"`{ast.get_source_segment(text, node)}` is not allowed; {_ALLOWED}")


def first_that_holds(conditions: Sequence[Condition | None], shape: Mapping[str, int]) -> int:
    """Finds the branch that serves a shape; None always holds."""
    for index, condition in enumerate(conditions):
        if condition is None or condition.holds(shape):
            return index
    raise GeneratorError(f"no branch of the heuristic serves {dict(shape)}")


def unreachable(conditions: Sequence[Condition | None]) -> list[int]:
    """Finds the branches that are never the first to hold, for positive M, N and K; exact."""
    starts = {variable: {1} for variable in VARIABLES}
    for condition in conditions:
        for comparison in condition.comparisons() if condition is not None else ():
            cuts = (comparison.constant + cut for cut in comparison.operator.cuts)
            starts[comparison.variable].update(cut for cut in cuts if cut > 1)
    left = set(range(len(conditions)))
    for point in itertools.product(*(sorted(starts[variable]) for variable in VARIABLES)):
        left.discard(first_that_holds(conditions, dict(zip(VARIABLES, point, strict=True))))
    return sorted(left)
