#!/usr/bin/env python3
"""Fits the run-time cost model to a table of times, and says how well it chooses.

    bazel run //tools/tune:fit -- --table times.csv --out costs.csv

The model: a launch takes the sum over the terms of machete/runtime/cost.h of what is counted of it
times what that costs, in microseconds, with this schedule. Costs are least squares of the relative
error. A schedule counts the less in a product the slower it is there, since it is the choice among
the fastest that matters. No cost is negative, so that the model is sane far from what was measured.

Regret is how much slower the chosen schedule is than the fastest. It is computed on the products
that were fitted, and on products left out of the fit: each layer; each number of tokens; and both,
a quarter of the layers and a quarter of the numbers of tokens at a time.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import dataclasses
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from machete.generator.costs import COST_TERMS, write_costs

MULTIPROCESSORS = 132
"""Of the GPU that the table was measured on."""
MOST_MEAN_REGRET = 0.03
MOST_REGRET = 0.10
"""Of any product, unless the command line says otherwise."""
QUARTER = 4
TERMS = range(len(COST_TERMS))

NEARNESS_POWER = 3
"""How fast a product's weight falls with how slow the schedule is there. Of 2, 3, 4, 5, 6 and 8
the one whose choices are best, over all tables and layers left out; 4 is as good on average."""

Vector = list[float]


@dataclasses.dataclass(frozen=True)
class Product:
    """A row of the table: a shape, and the microseconds of each schedule."""

    n: int
    k: int
    m: int
    times: dict[str, float]

    @property
    def layer(self) -> tuple[int, int]:
        """The weights' shape."""
        return self.n, self.k

    def regret(self, schedule: str) -> float:
        """How much slower than the fastest a schedule is."""
        return self.times[schedule] / min(self.times.values()) - 1


def read_table(path: Path, known: Sequence[str] | None = None) -> list[Product]:
    """Reads what sweep.py has written; only the columns of known schedules."""
    with path.open() as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [
            Product(
                *(int(row.pop(name)) for name in ("n", "k", "m")),
                {name: float(us) for name, us in row.items() if known is None or name in known},
            )
            for row in rows
        ]


class WorkLibrary:
    """Counts what launches do, by the code that the runtime chooses with."""

    def __init__(self, path: Path, family: str) -> None:
        self._family = family.encode()
        self._count = ctypes.CDLL(str(path)).machete_count_work
        self._count.restype = ctypes.c_bool
        size = ctypes.c_int64
        self._count.argtypes = [ctypes.c_char_p] * 2 + [size] * 3 + [ctypes.c_int, ctypes.c_void_p]
        self._terms = (ctypes.c_double * len(COST_TERMS))()

    def knows(self, schedule: str) -> bool:
        """Whether there is such a schedule, and the model describes it."""
        return self._call(schedule, 1, 128, 128)

    def count_work(self, schedule: str, product: Product) -> Vector:
        """How much of each term a launch has."""
        self._call(schedule, product.m, product.n, product.k)
        return list(self._terms)

    def _call(self, schedule: str, m: int, n: int, k: int) -> bool:
        name = schedule.encode()
        return self._count(self._family, name, m, n, k, MULTIPROCESSORS, self._terms)


Costs = dict[str, Vector]


class Fit:
    """The least squares of all schedules, in a form that products can be taken out of."""

    def __init__(self, products: Sequence[Product], work: dict[str, list[Vector]]) -> None:
        self.products = products
        self.work = work
        self._equations = {
            schedule: [
                _equations(counts, product.times[schedule], min(product.times.values()))
                for counts, product in zip(rows, products, strict=True)
            ]
            for schedule, rows in work.items()
        }
        self._sums = {name: _sum(equations) for name, equations in self._equations.items()}

    def costs(self, left_out: Iterable[int] = ()) -> Costs:
        """Fits without some products, given by their indices."""
        indices = list(left_out)
        return {
            schedule: solve(_difference(self._sums[schedule], _sum([rows[i] for i in indices])))
            for schedule, rows in self._equations.items()
        }

    def choice(self, costs: Costs, index: int) -> str:
        """The schedule that the model chooses for a product."""
        return min(costs, key=lambda schedule: _dot(costs[schedule], self.work[schedule][index]))


def _equations(counts: Vector, us: float, fastest: float) -> Vector:
    """One product in the normal equations: their upper triangle, each row with its right side."""
    weight = (fastest / us) ** NEARNESS_POWER
    row = [weight * count / us for count in counts] + [weight]
    return [row[i] * other for i in TERMS for other in row[i:]]


def _sum(vectors: Sequence[Vector]) -> Vector:
    return [sum(column) for column in zip(*vectors, strict=True)]


def _difference(a: Vector, b: Vector) -> Vector:
    return [x - y for x, y in zip(a, b, strict=True)] if b else a


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def solve(equations: Vector) -> Vector:
    """Least squares without negative costs, rounded to what is written.

    Terms whose cost would be negative are dropped, the most negative first.
    """
    rows, start = [], 0
    for i in TERMS:
        rows.append(equations[start : start + len(COST_TERMS) + 1 - i])
        start += len(rows[-1])
    scale = [math.sqrt(row[0]) for row in rows]
    kept = [i for i in TERMS if scale[i] > 0]
    costs = [0.0] * len(COST_TERMS)
    while kept:
        # Scaled so that the diagonal is 1; a little more, since terms may depend on each other.
        matrix = [
            [rows[min(i, j)][abs(i - j)] / (scale[i] * scale[j]) + 1e-9 * (i == j) for j in kept]
            + [rows[i][-1] / scale[i]]
            for i in kept
        ]
        solution = _eliminate(matrix)
        least = min(solution)
        if least >= 0:
            for i, value in zip(kept, solution, strict=True):
                costs[i] = float(f"{value / scale[i]:.4g}")
            break
        kept.pop(solution.index(least))
    return costs


def _eliminate(matrix: list[Vector]) -> Vector:
    """Solves a symmetric positive definite system whose last column is the right side."""
    for i, pivot in enumerate(matrix):
        for row in matrix[i + 1 :]:
            factor = row[i] / pivot[i]
            row[i:] = [x - factor * y for x, y in zip(row[i:], pivot[i:], strict=True)]
    solution: Vector = []
    for i, row in reversed(list(enumerate(matrix))):
        solution.insert(0, (row[-1] - _dot(row[i + 1 : -1], solution)) / row[i])
    return solution


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The regrets of the choices for some products."""

    what: str
    regrets: list[tuple[float, Product, str]]
    """Regret, product, choice; the largest first."""

    @property
    def mean(self) -> float:
        """Of all products."""
        return sum(regret for regret, _, _ in self.regrets) / len(self.regrets)

    @property
    def worst(self) -> float:
        """Of any product."""
        return self.regrets[0][0]

    def acceptable(self, most_regret: float = MOST_REGRET) -> bool:
        """Whether both are within the bounds."""
        return self.mean <= MOST_MEAN_REGRET and self.worst <= most_regret


Fold = tuple[list[int], list[int]]
"""Indices of products: left out of the fit, and judged."""


def folds_of(products: Sequence[Product]) -> Iterator[tuple[str, list[Fold]]]:
    """What is left out of the fit, by name; all of it is judged unless said."""
    layers = [product.layer for product in products]
    tokens = [product.m for product in products]
    # Without the least and the most: the model is for what lies between.
    inner = sorted(set(tokens))[1:-1]
    layer_class = {layer: i % QUARTER for i, layer in enumerate(dict.fromkeys(layers))}
    token_class = {m: i % QUARTER for i, m in enumerate(inner)}

    yield "fitted", [([], list(range(len(products))))]
    by_layer = [_where(layer == one for layer in layers) for one in layer_class]
    yield "layers left out", [(indices, indices) for indices in by_layer]
    by_tokens = [_where(m == one for m in tokens) for one in inner]
    yield "tokens left out", [(indices, indices) for indices in by_tokens]
    both = []
    for a in range(QUARTER):
        for b in range(QUARTER):
            in_a = [layer_class[layer] == a for layer in layers]
            in_b = [token_class.get(m) == b for m in tokens]
            left_out = _where(x or y for x, y in zip(in_a, in_b, strict=True))
            both.append((left_out, _where(x and y for x, y in zip(in_a, in_b, strict=True))))
    yield "both left out", [fold for fold in both if fold[1]]


def _where(flags: Iterable[bool]) -> list[int]:
    return [index for index, flag in enumerate(flags) if flag]


def judge(fit: Fit) -> Iterator[Judgement]:
    """Computes the regret, first of what was fitted, then of what was left out."""
    for what, folds in folds_of(fit.products):
        regrets = []
        for left_out, judged in folds:
            costs = fit.costs(left_out)
            for index in judged:
                product, choice = fit.products[index], fit.choice(costs, index)
                regrets.append((product.regret(choice), product, choice))
        yield Judgement(what, sorted(regrets, key=lambda entry: -entry[0]))


def print_judgement(judgement: Judgement, examples: int) -> None:
    """A line of numbers, and the products that fare worst."""
    print(
        f"{judgement.what:16} mean {judgement.mean:6.2%}  worst {judgement.worst:6.1%}"
        f"  products {len(judgement.regrets)}"
    )
    for regret, product, choice in judgement.regrets[:examples]:
        fastest = min(product.times, key=product.times.__getitem__)
        print(
            f"    {regret:6.1%}  {product.n} x {product.k}, M = {product.m}:"
            f" {choice} {product.times[choice]} us, {fastest} {product.times[fastest]} us"
        )


def fit_table(library: WorkLibrary, path: Path, least_tokens: int = 1) -> Fit:
    """Reads a table and counts the work of every schedule in every product.

    Columns of other schedules are left out: of those no longer in the catalogue, and of those that
    the model does not describe.
    """
    with path.open() as file:
        columns = next(line for line in file if not line.startswith("#")).strip().split(",")
    known = [name for name in columns if library.knows(name)]
    products = [product for product in read_table(path, known) if product.m >= least_tokens]
    work = {name: [library.count_work(name, product) for product in products] for name in known}
    return Fit(products, work)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="what sweep.py has written")
    parser.add_argument(
        "--library", dest="work", type=Path, required=True, help="libmachete_work.so"
    )
    parser.add_argument("--family", default="bf16_u4b8", help="of the table")
    parser.add_argument(
        "--least-tokens",
        type=int,
        default=1,
        help="leave out products with fewer, which the heuristic decides by conditions",
    )
    parser.add_argument("--out", type=Path, help="where the costs go")
    parser.add_argument("--examples", type=int, default=3, help="products to name, the worst first")
    parser.add_argument(
        "--most-regret", type=float, default=MOST_REGRET, help="fail where a product has more"
    )
    parser.add_argument(
        "--any-regret", action="store_true", help="succeed even where the bounds are missed"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fits; fails where the bounds are missed."""
    options = parse(arguments)
    library = WorkLibrary(options.work.absolute(), options.family)
    fit = fit_table(library, options.table, options.least_tokens)
    if options.out:
        write_costs(options.out, fit.costs())
    judgements = list(judge(fit))
    for judgement in judgements:
        print_judgement(judgement, options.examples)
    acceptable = all(judgement.acceptable(options.most_regret) for judgement in judgements)
    return 0 if acceptable or options.any_regret else 1


if __name__ == "__main__":
    sys.exit(main())
