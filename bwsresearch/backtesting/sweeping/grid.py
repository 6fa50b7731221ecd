"""The points of a grid: every combination of parameters that is wanted, and in what order they run."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, product
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = ["Parameters", "Point", "Where", "batches", "grid"]

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


def batches(points: Sequence[Point], room: int, size: int) -> list[list[int]]:
    """Return the places of points in batches of about `size`, so that little is computed twice.

    The parameter of the fewest values changes fastest, so that what hangs on it alone stays in a
    memory of `room` values; where it does not fit there, it runs through in blocks that do. Points
    that differ in it alone stay in one batch, unless they are many.
    """
    names = list(points[0])
    ranks = {name: _ranks([point[name] for point in points]) for name in names}
    inner, *outer = sorted(names, key=lambda name: len(set(ranks[name])))
    block = max(room // 2, 1)

    def group(place: int) -> tuple[int, ...]:
        return ranks[inner][place] // block, *(ranks[name][place] for name in reversed(outer))

    order = sorted(range(len(points)), key=lambda place: (group(place), ranks[inner][place]))
    found: list[list[int]] = [[]]
    for _, places in groupby(order, key=group):
        for part in _parts(list(places), size):
            if found[-1] and len(found[-1]) + len(part) > size:
                found.append([])
            found[-1] += part
    return found


def _parts(places: list[int], size: int) -> Iterator[list[int]]:
    """Yield places in parts of at most twice `size`, as equal as can be."""
    count = -(-len(places) // (2 * size))
    length = -(-len(places) // count)
    for begin in range(0, len(places), length):
        yield places[begin : begin + length]


def _ranks(values: Sequence[object]) -> list[int]:
    """Return for each value the place of its first appearance among the different ones."""
    known: dict[str, int] = {}
    return [known.setdefault(repr(value), len(known)) for value in values]
