"""The points of a grid: every combination of parameters that is wanted, and in what order they run."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = ["Parameters", "Point", "Where", "grid", "run_order"]

Point: TypeAlias = dict[str, object]
"""One value for each parameter."""
Parameters: TypeAlias = Mapping[str, Iterable[object]]
Where: TypeAlias = Callable[[Point], bool] | str

_COMPARISON: Final = re.compile(r"\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*(\w+)\s*")
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def grid(parameters: Parameters, where: Where | None) -> list[Point]:
    """Return all combinations that `where` lets through, the last parameter changing fastest.

    Raises:
        ValueError: when a parameter has no values, `where` cannot be read, or nothing is left.
        TypeError: when a parameter's values are no list of them.
    """
    _check(parameters)
    values = {name: _values(name, given) for name, given in parameters.items()}
    is_wanted = _condition(where, list(values))
    points = [dict(zip(values, row, strict=True)) for row in product(*values.values())]
    kept = [point for point in points if is_wanted(point)]
    if not kept:
        raise ValueError(f"where leaves none of {len(points):,} points, widen the parameters")
    return kept


def _check(parameters: object) -> None:
    if not isinstance(parameters, Mapping) or not parameters:
        raise ValueError(
            f"parameters is {parameters!r}, give values by name, such as {{'fast': range(5, 60, 5)}}"
        )


def _values(name: str, given: object) -> list[object]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{name} is {given!r}, give a list of values, such as [{given!r}]")
    found = [value.item() if isinstance(value, np.generic) else value for value in given]
    if not found:
        raise ValueError(f"{name} has no values, give one at least")
    return found


def _condition(where: Where | None, names: list[str]) -> Callable[[Point], bool]:
    if where is None:
        return lambda _: True
    if callable(where):
        return where
    found = _COMPARISON.fullmatch(where)
    if found is None or found[1] not in names or found[3] not in names:
        raise ValueError(
            f"where is {where!r}, must compare two of {', '.join(names)}, such as "
            f"'{names[0]} < {names[-1]}', or be a function of a dict of parameters"
        )
    left, compare, right = found[1], _OPERATORS[found[2]], found[3]
    return lambda point: bool(compare(point[left], point[right]))


def run_order(points: Sequence[Point], room: int) -> list[int]:
    """Return the places of points in the order in which what they share is computed least often.

    The parameter of the fewest values changes fastest, so that what hangs on it alone stays in a
    memory of `room` values; where it does not fit there, it runs through in blocks that do.
    """
    names = list(points[0])
    ranks = {name: _ranks([point[name] for point in points]) for name in names}
    inner, *outer = sorted(names, key=lambda name: len(set(ranks[name])))
    block = max(room // 2, 1)
    keys = [
        (
            ranks[inner][place] // block,
            *(ranks[name][place] for name in reversed(outer)),
            ranks[inner][place],
        )
        for place in range(len(points))
    ]
    return sorted(range(len(points)), key=keys.__getitem__)


def _ranks(values: Sequence[object]) -> list[int]:
    """Return for each value the place of its first appearance among the different ones."""
    known: dict[str, int] = {}
    return [known.setdefault(repr(value), len(known)) for value in values]
