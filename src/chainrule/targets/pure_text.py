"""What the texts of the frameworks have in common: names, statements and sizes, before heads and signatures.

`PureText` writes the nodes of a plan as statements in a framework's spelling; `values_text` is the whole function that
gives values, whose only difference is how a file begins. A framework's own file says what else is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from chainrule.algebra.program import Program
from chainrule.dims import Dim
from chainrule.plan import Node, Plan, build_plan
from chainrule.plan.wide import Precise
from chainrule.targets.names import Names
from chainrule.targets.passes import headings
from chainrule.targets.pure import PureSpelling, PureWriter
from chainrule.targets.text import LazyNames, argument_lines, join, reference_array, shape, size_lines, wrapped
from chainrule.targets.widening import Widening, mode_of

__all__ = ["PureText", "values_text"]

# the first lines of a file, for its statements and the helpers that they call
Head = Callable[[Sequence[str], Sequence[str]], list[str]]


class PureText:
    """Statements for the nodes of a plan. arguments: name → what it is called.  seed: the derivative that arrives."""

    def __init__(
        self, program: Program, plan: Plan, arguments: Iterable[str], spelling: type[PureSpelling],
        reserved: Iterable[str], comments: Mapping[str, str], dtype: str, precise: Precise, seed: str = "",
    ) -> None:  # fmt: skip
        self.plan, self.comments, self.titles = plan, comments, headings(plan)
        self.names = Names({*reserved, *spelling.helpers, "_unfit"})
        self.arguments = {name: self.names.take(name) for name in arguments}
        self.seed = self.names.take(seed) if seed else ""
        self.sizes = LazyNames(self.names)
        given = self.arguments | ({seed: self.seed} if seed else {})
        self.writer = PureWriter(plan, self.names, given, spelling, dtype, self.sizes)
        self.spelling = self.writer.spelling
        self.widening = Widening(precise, self.spelling, self.names)
        self.spelling.like = reference_array(program, self.arguments)

    def body(self, nodes: Sequence[Node]) -> list[str]:
        """The statements of a function of the arguments."""
        return self.opened(list(self.arguments.values()), self.writer.body(nodes, self.titles, self.comments))

    def opened(self, given: Sequence[str], lines: Sequence[str]) -> list[str]:
        """Statements of a function of `given`, with what is converted before them."""
        return [*self.widening.opening(given, lines), *lines]

    def fitting(self) -> tuple[list[str], list[str], list[str]]:
        """Arrays that do not fit are refused: one row for many would be repeated in silence.

        A function that refuses, what stands before the sizes are read, and what stands behind. To be written before
        `size_lines`, whose sizes are compared with.
        """
        variables = self.plan.program.variables
        arrays = {name: local for name, local in self.arguments.items() if variables[name].dims}
        if not arrays:
            return [], [], []
        seen: dict[Dim, str] = {}
        compared = []
        for name, local in arrays.items():
            entries = []
            for axis, dim in enumerate(variables[name].dims):
                if isinstance(dim, int):
                    entries.append(str(dim))
                elif dim in self.plan.sizes:
                    entries.append(self.spelling.size(dim))
                else:  # nothing is computed with it
                    entries.append(seen.setdefault(dim, f"{local}.shape[{axis}]"))
            own = [(name, axis) for axis in range(len(entries))]
            if [self.plan.sizes.get(str(dim)) for dim in variables[name].dims] != own:
                compared.append((f"{local}.shape", f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"))
        given = list(arrays.values())
        wanted = ", ".join(f"{local} {shape(variables[name].dims)}" for name, local in arrays.items())
        helper = ["def _unfit(*arrays):", "    raise ValueError("]
        helper += [f'        "{line} "' for line in wrapped(f"shapes must be {wanted};", 90)]
        helper += ["        f\"they are {', '.join(str(tuple(array.shape)) for array in arrays)}\"", "    )"]
        refusal = join("_unfit(", given, ")", " " * 4)
        ranks = [str(len(variables[name].dims)) for name in arrays]
        before = [*_unlike([(f"{local}.ndim", rank) for local, rank in zip(given, ranks, strict=True)]), *refusal]
        after = [*_unlike(compared), *refusal] if compared else []
        return helper, before, after

    def size_lines(self) -> list[str]:
        """How the sizes that the statements since the last call use are read from the arguments."""
        lines = size_lines(self.plan, self.spelling.sizes_used, self.arguments, self.spelling.size)
        self.spelling.sizes_used = set()
        return lines


def _unlike(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The beginning of a statement: where one of them is not what it must be."""
    left, right = (", ".join(side) for side in zip(*pairs, strict=True))
    line = f"if ({left}) != ({right}):" if len(pairs) > 1 else f"if {left} != {right}:"
    if len(line) <= 105:
        return [line]
    several = [f"    {a} != {b}{'' if k == len(pairs) - 1 else ' or'}" for k, (a, b) in enumerate(pairs)]
    return ["if (", *several, "):"]


def values_text(
    program: Program, outputs: Sequence[str], name: str, comments: Mapping[str, str], keys: Mapping[str, str],
    spelling: type[PureSpelling], reserved: Iterable[str], head: Head, dtype: str, precise: Precise,
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    """The text of a function `name` that gives the values `outputs` under their `keys`; and what it takes."""
    plan = build_plan(program, outputs, reuse=False, precise=mode_of(precise))
    text = PureText(program, plan, plan.arguments, spelling, {*reserved, name}, comments, dtype, precise)
    body = text.body(plan.steps)
    values = {output: text.widening.result(text.writer.value(node)[0]) for output, node in plan.outputs.items()}
    unfit, before, after = text.fitting()
    lines = head(body, text.spelling.helpers_of(body))
    lines += ["", "", *unfit] if unfit else []
    lines += ["", "", *join(f"def {name}(", list(text.arguments.values()), "):", "")]
    lines += ["    " + line for line in wrapped(f'"""The values of {", ".join(outputs)}.')]
    lines += ["", *("    " + line for line in argument_lines(program.variables, text.arguments)), '    """']
    lines += ["    " + line for line in (*before, *text.size_lines(), *after, *body)]
    lines += join("return {", [f'"{keys[output]}": {value}' for output, value in values.items()], "}")
    return "\n".join(lines) + "\n", tuple(plan.arguments)
