"""C statements for the loops of a fused plan: names, places in memory, and the lines of each loop.

Calls between loops are `c_calls.py`, loops over steps `c_recurrences.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chainrule.algebra.program import is_anonymous
from chainrule.dims import Dim
from chainrule.plan import Node
from chainrule.plan.kernel import Axis, Call, Item, Kernel, Loop, Region, Statement, Tree
from chainrule.plan.sharing import Arena, share_memory
from chainrule.plan.teams import divide
from chainrule.plan.wide import WIDE
from chainrule.targets.c_calls import operation_call_lines, product_lines
from chainrule.targets.c_expressions import ATOM, SUM, CSpelling, Text, bracket
from chainrule.targets.c_helpers import WIDER
from chainrule.targets.c_names import CNames
from chainrule.targets.c_recurrences import Part, loop_lines
from chainrule.targets.names import name_nodes

__all__ = ["LoopWriter"]

_LETTERS = "ijklmnopqrstuvw"


class LoopWriter:
    """Writes the body of the function. `inputs`: the name of each argument's node; `sizes`: of each symbolic size.

    parts: of one step of a loop, the arrays that are parts of others (`c_recurrences.py`).
    blocks: the workspace, by name.  spelling: numbers and expressions, with the helpers that they need.
    division: how several threads do it together (`chainrule.plan.teams`), None for one.
    """

    def __init__(
        self, kernel: Kernel, names: CNames, inputs: Mapping[str, str], sizes: Mapping[str, str], dtype: str,
        comments: Mapping[str, str], parts: Mapping[Node, Part] | None = None, threads: int = 1,
    ) -> None:  # fmt: skip
        self.parts = parts or {}
        self.nested = parts is not None
        self.dtype = dtype
        self._zeros: dict[tuple[Dim, ...], str] = {}
        self.kernel = kernel
        self.plan = kernel.plan
        self.inputs = inputs
        self.sizes = sizes
        self.comments = comments
        self.spelling = CSpelling(dtype, self._read, self.size, self._index)
        self.real = self.spelling.real
        self.names_taken = names
        kept = {n for n in self.plan.steps if (n in kernel.statements or n in kernel.stored) and n.op != "loop"}
        results = {kernel.root.get(node, node): name for name, node in self.plan.outputs.items() if node.rank}
        self.names = {node: names.take(name) for node, name in results.items()}  # a parameter has the result's name
        self.names |= name_nodes(self.plan, names, kept - results.keys() - kernel.root.keys())
        self.names |= {node: self.names[root] for node, root in kernel.root.items()}
        self.memory = share_memory(kernel)
        self.threads = threads
        self.division = divide(kernel, self.memory) if threads > 1 else None
        self.own = self.division.own if self.division is not None else set()
        self._sums: dict[Node, str] = {}  # where a thread sums up for itself
        self.blocks: dict[str, Arena] = {}
        self.scratch: list[str] = []  # those of operations on whole arrays, which run one after the other
        for arena in dict.fromkeys(self.memory.values()):
            name = self.names[arena.nodes[0]]
            if any(node in self.own for node in arena.nodes):
                arena.copies = threads
                name = names.take(f"{name}_all")
            self.blocks[name] = arena
        self._variables: dict[Axis, str] = {}
        self._locals: dict[Node, str] = {}
        self._here: Statement | None = None
        self._titles = self._headings()
        self._last = ""

    # -- names and places ---------------------------------------------------------------------------------------

    def size(self, dim: Dim) -> str:
        """A size: a name, or a number."""
        return self.sizes[dim] if isinstance(dim, str) else str(dim)

    def letter(self, axis: Axis) -> str:
        """A loop variable: n runs to N, h to D_h."""
        if axis not in self._variables:
            dim = axis.dim
            match = re.search(r"_([A-Za-z])$", dim) if isinstance(dim, str) else None
            wanted = match[1].lower() if match else dim.lower() if isinstance(dim, str) and len(dim) == 1 else "i"
            used = set(self._variables.values())
            free = (c for c in (wanted, *_LETTERS, *(f"i{k}" for k in range(1000))) if c not in used)
            self._variables[axis] = next(c for c in free if c.isascii() and not self.names_taken.is_taken(c))
        return self._variables[axis]

    def _index(self, label: int) -> str | None:
        assert self._here is not None
        axis = self._here.axes.get(label)
        return None if axis is None else self.letter(axis)

    def pointer(self, node: Node) -> str:
        """The array in which a stored value lies."""
        if node in self._sums:
            return self._sums[node]
        return self.inputs[node.attributes[0]] if node.op == "input" else self.names[node]

    def lies(self, node: Node, written: bool = False) -> Part:
        """The array of which a value is a part, and where the part begins; a `put` writes a part and is read whole."""
        if node in self.parts:
            return self.parts[node]
        own = node.operands[0].node if node.op == "rows" else node
        begins = {node.attributes[0]: "start"} if node.op == "rows" or (written and node.op == "put") else {}
        return Part(self.pointer(own), own.dims, tuple(range(own.rank)), begins)

    def _place(self, node: Node, labels: tuple[int, ...], statement: Statement) -> str:
        """An entry of a stored array: X[n * D_x + d]."""
        if node.op == "rows" or statement.node is node or node in self.parts:
            part = self.lies(node, statement.node is node)
        else:
            part = Part(self.pointer(node), node.dims, tuple(range(node.rank)), {})
        stored = self.kernel.stored
        kept = tuple(range(len(part.dims)))
        if node.op not in ("input", "rows") and node not in self.parts:
            kept = stored[node]
        labelled = dict(zip(part.axes, labels, strict=True))
        terms: list[str] = []
        for position, k in enumerate(kept):
            axis = statement.axes.get(labelled[k]) if k in labelled else None
            stride = [self.size(part.dims[j]) for j in kept[position + 1 :] if self.kernel.small(part.dims[j]) != 1]
            if axis is not None:
                index = f"({part.begins[k]} + {self.letter(axis)})" if k in part.begins else self.letter(axis)
                terms.append(" * ".join([index, *stride]))
            elif k in part.begins:
                terms.append(" * ".join([part.begins[k], *stride]))
        return f"{part.pointer}[{' + '.join(terms) or 0}]"

    def scalar(self, node: Node) -> str:
        """A value without axes."""
        if node in self.parts:
            return self.parts[node].entry(self.size, [])
        if node.op != "input":
            return self.names[node]
        return self.inputs[node.attributes[0]] if self.nested else f"*{self.inputs[node.attributes[0]]}"

    def letters(self, count: int) -> list[str]:
        """Loop variables for loops that are written by hand."""
        return [c for c in _LETTERS if not self.names_taken.is_taken(c)][:count]

    def zeros(self, dims: tuple[Dim, ...]) -> tuple[list[str], str]:
        """An array of zeros, and the lines that make it: none where it is there already."""
        if dims in self._zeros:
            return [], self._zeros[dims]
        name = self._zeros[dims] = self.names_taken.take("zeros")
        self.blocks[name] = Arena(dims)
        count = " * ".join(map(self.size, dims))
        letter = self.letters(1)[0]
        head = f"for (size_t {letter} = 0; {letter} < {count}; {letter}++)"
        return [head, f"    {name}[{letter}] = {self.spelling.literal(0)[0]};"], name

    def adopt(self, other: LoopWriter) -> None:
        """The memory of a writer for a part of this one's text."""
        self.blocks |= other.blocks
        self.names |= other.names

    def _read(self, tree: Tree) -> Text:
        node = tree.node
        assert self._here is not None
        maker = self.kernel.statements.get(node)
        if node in self._locals and maker is not None:
            around = maker.loops[: maker.opening]
            if self._here.loops[: len(around)] == around:
                return self._locals[node], ATOM
        if not node.rank:
            return self.scalar(node), ATOM
        return self._place(node, tree.labels, self._here), ATOM

    def _local(self, statement: Statement) -> str:
        """The variable for one entry: Z_nh."""
        node = statement.node
        letters = [self.letter(statement.axes[a]) for a in statement.result if a in statement.axes]
        name = self.names[node]
        return self.names_taken.plain(f"{name}_{''.join(letters)}") if letters else name

    # -- lines ---------------------------------------------------------------------------------------------------

    def _headings(self) -> dict[str, str]:
        """The named equation to which each equation belongs."""
        heading, named = {}, ""
        for equation in reversed(list(self.plan.program)):
            if not is_anonymous(equation.name) or equation.name in self.comments:
                named = equation.name
            heading[equation.name] = named
        return heading

    def _comment(self, nodes: list[Node]) -> list[str]:
        """What the next lines compute: the equations, once each."""
        titles = list(dict.fromkeys(self._titles.get(n.equation, "") for n in nodes))
        titles = [t for t in titles if t and t != self._last]
        if not titles:
            return []
        self._last = titles[-1]
        texts = [str(self.comments.get(t, t)).replace("\n", " ").replace("*/", "* /") for t in titles]
        return [f"/* {'; '.join(texts)} */"]

    def body(self) -> list[str]:
        """All statements, in order."""
        return self._items(self.kernel.items)

    def _items(self, items: list[Item]) -> list[str]:
        lines: list[str] = []
        for item in items:
            self._variables = {}  # each nest of loops chooses its letters anew
            if self.division is not None and id(item) in self.division.waits and not isinstance(item, Region):
                lines.append("team->wait(team);")
            if isinstance(item, Call) and item.node.op == "loop":
                lines += loop_lines(self, item.node)
            elif isinstance(item, Call):
                lines += self._comment([item.node])
                lines += product_lines(self, item) if item.product else operation_call_lines(self, item.node)
            elif isinstance(item, Loop):
                lines += self._comment([s.node for s in item.statements()])
                lines += self._loop(item) if self.division is None else self._divided(item)
            elif isinstance(item, Region):
                lines += self._region(item)
            else:
                lines += self._comment([item.node])
                lines += self._first_alone(item.node, self._statement(item))
        return lines

    def _region(self, region: Region) -> list[str]:
        """For a few rows at a time."""
        chunks = self.plan.chunks
        assert chunks is not None
        total, rows = self.size(chunks.dim), self.size(chunks.symbol)
        inner = self._items(region.items)
        return [
            f"for (size_t start = 0; start < {total}; start += chunk) {{",
            f"    const size_t {rows} = {total} - start < chunk ? {total} - start : chunk;",
            *(["    team->wait(team);"] if self.division is not None else []),
            *("    " + line for line in inner),
            "}",
        ]

    def _first_alone(self, node: Node, lines: list[str]) -> list[str]:
        """What is written outside of all loops is written by the first thread."""
        stored = node.rank and (self.kernel.stored.get(node) or node in set(self.plan.outputs.values()))
        return [f"if (!team->me) {line}" for line in lines] if self.division is not None and stored else lines

    def part_of_team(self, dim: Dim, lines: list[str]) -> list[str]:
        """Lines that run from `first` to `last`: this thread's part of an axis."""
        begins = [f"{name} = share({self.size(dim)}, team->me{plus}, team->of)"
                  for name, plus in (("first", ""), ("last", " + 1"))]  # fmt: skip
        return ["{", f"    const size_t {', '.join(begins)};", *("    " + line for line in lines), "}"]

    def _divided(self, loop: Loop) -> list[str]:
        """The outermost loop of an item, of which each thread does a part; then sums over it are joined."""
        assert self.division is not None
        lines: list[str] = []
        scalars: list[Statement] = []
        arrays: list[tuple[Node, str]] = []
        partial = self.division.partial.get(id(loop), [])
        for statement in partial:
            node = statement.node
            if not self._inner(statement):
                scalars.append(statement)
                continue
            block, own = (self.names_taken.plain(f"{self.names[node]}_{what}") for what in ("parts", "own"))
            dims = tuple(node.dims[k] for k in self.kernel.stored[node])
            self.blocks[block] = Arena(dims, copies=self.threads - 1, wide=node.dtype == WIDE)
            apart = f"PAD({' * '.join(self.size(d) for d in dims)})"
            chosen = f"team->me ? {block} + (team->me - 1) * {apart} : {self.pointer(node)}"
            lines.append(f"{self._type(node)} *const {own} = {chosen};")
            self._sums[node] = own
            arrays.append((node, block))
        starts = [line for s in partial for line in self._start(s)]
        inner = self._loop(loop, "first", "last")
        lines += starts
        lines += self.part_of_team(loop.axis.dim, inner)
        for statement in scalars:
            name = self._locals[statement.node]
            block = self.names_taken.plain(f"{name}_parts")
            self.blocks[block] = Arena((16,), copies=self.threads, wide=statement.node.dtype == WIDE)
            lines.append(f"{block}[16 * team->me] = {name};")
        if partial:
            lines.append("team->wait(team);")
        for node, block in arrays:
            del self._sums[node]
            extent = " * ".join(self.size(d) for d in self.blocks[block].dims)
            helper = self._helper("larger_parts" if node.op == "max" else "add_parts", node)
            lines.append(f"{helper}(team, {extent}, {self.pointer(node)}, {block}, PAD({extent}));")
        for statement in scalars:
            name = self._locals[statement.node]
            helper = self._helper("largest_part" if statement.node.op == "max" else "sum_of_parts", statement.node)
            lines.append(f"{name} = {helper}(team, {name}_parts);")
            lines += [f"if (!team->me) {line}" for line in self._finish(statement)]
        return lines

    def _loop(self, loop: Loop, first: str = "0", last: str = "") -> list[str]:
        lines, after = [], []
        for statement in loop.statements():
            if statement.reduced and statement.loops[statement.opening] is loop and not last:
                lines += self._start(statement)
                after += self._finish(statement)
        parts = self._parts(loop)
        for node, name in parts:
            zero = self.spelling.literal(0)[0]
            lines.append(f"{self._type(node)} {name} = {zero};")
            after.append(f"{self._locals[node]} += {name};")
        whole = {node: self._locals[node] for node, _ in parts}
        self._locals |= dict(parts)
        letter = self.letter(loop.axis)
        if all(isinstance(item, Statement) for item in loop.body):
            lines += self._lanes(loop)
        inner: list[str] = []
        for item in loop.body:
            inner += self._loop(item) if isinstance(item, Loop) else self._statement(item)
        extent = last or self.size(loop.axis.dim)
        brace = len(inner) > 1
        lines.append(f"for (size_t {letter} = {first}; {letter} < {extent}; {letter}++)" + (" {" if brace else ""))
        lines += ["    " + line for line in inner]
        if brace:
            lines.append("}")
        self._locals |= whole
        return lines + after

    def _parts(self, loop: Loop) -> list[tuple[Node, str]]:
        """Sums that go on outside of a loop: it adds up a part of its own, for a long sum of parts keeps its digits."""
        found = []
        for s in loop.statements():
            if s.node not in self._locals or not s.reduced or s.node.op == "max" or s.node.dtype == WIDE:
                continue
            around = s.loops[s.opening : s.loops.index(loop)]
            if around and loop.axis in {s.axes[r] for r in s.reduced}:
                letters = [self.letter(other.axis) for other in around]
                outer = self._locals[s.node].removesuffix("_" + "".join(letters[:-1]))
                found.append((s.node, self.names_taken.plain(f"{outer}_{''.join(letters)}")))
        return found

    def _lanes(self, loop: Loop) -> list[str]:
        """What lets a compiler run the innermost loop in lanes: which variables it adds up."""
        added = [s for s in loop.body if isinstance(s, Statement) and s.reduced and s.node in self._locals]
        sums = [self._locals[s.node] for s in added if s.node.op != "max"]
        tops = [self._locals[s.node] for s in added if s.node.op == "max"]
        clauses = [f"reduction({sign}:{', '.join(which)})" for sign, which in (("+", sums), ("max", tops)) if which]
        return [f"LANES({' '.join(clauses)})"]

    def _inner(self, statement: Statement) -> list[Loop]:
        """The loops inside a reduction over which its result still runs: it adds to an array."""
        summed = {statement.axes[r] for r in statement.reduced}
        return [loop for loop in statement.loops[statement.opening :] if loop.axis not in summed]

    def _start(self, statement: Statement) -> list[str]:
        node = statement.node
        zero = "0.0" if node.dtype == WIDE else self.spelling.literal(0)[0]
        zero = "-INFINITY" if node.op == "max" else zero
        inner = self._inner(statement)
        if not inner:
            name = self._locals[node] = self._local(statement)
            return [f"{self._type(node)} {name} = {zero};"]
        lines: list[str] = []
        for loop in inner:
            letter = self.letter(loop.axis)
            lines.append(
                "    " * len(lines) + f"for (size_t {letter} = 0; {letter} < {self.size(loop.axis.dim)}; {letter}++)"
            )
        self._here = statement
        return [*lines, "    " * len(lines) + f"{self._place(node, statement.result, statement)} = {zero};"]

    def _finish(self, statement: Statement) -> list[str]:
        """After the loops of a reduction: its value goes where others expect it."""
        node = statement.node
        if self._inner(statement) or not self.kernel.stored[node]:
            return []
        return [f"{self._place(node, statement.result, statement)} = {self._locals[node]};"]

    def _statement(self, statement: Statement) -> list[str]:
        self._here = statement
        node = statement.node
        value = self.spelling.compute(statement.tree)
        if statement.reduced:
            target = self._locals.get(node) or self._place(node, statement.result, statement)
            if node.op == "max":
                return [f"{target} = {self._helper('larger', node)}({target}, {value[0]});"]
            return [f"{target} += {bracket(value, SUM)};"]
        if node.op == "accumulate":
            target = self._place(node, statement.result, statement) if node.rank else self.names[node]
            return [f"{target} += {bracket(value, SUM)};"]
        if node.op == "zeros" and not node.rank:
            return [f"{self.real} {self.names[node]} = {value[0]};"]
        stored = self.kernel.stored[node] or (node.rank and node in set(self.plan.outputs.values()))
        near = node.op != "put" and self._read_nearby(statement)
        if not stored:
            self._locals[node] = self._local(statement)
            return [f"const {self._type(node)} {self._locals[node]} = {value[0]};"]
        place = self._place(node, statement.result, statement)
        if not near:
            return [f"{place} = {value[0]};"]
        name = self._locals[node] = self._local(statement)
        return [f"const {self._type(node)} {name} = {value[0]};", f"{place} = {name};"]

    def _type(self, node: Node) -> str:
        """The type of a value."""
        return "double" if node.dtype == WIDE else self.real

    def _helper(self, name: str, node: Node) -> str:
        """A helper function for values of the node's type."""
        name += WIDER if node.dtype == WIDE else ""
        self.needs(name)
        return name

    def needs(self, helper: str) -> bool:
        """A helper function that must be written into the file."""
        self.spelling.helpers.add(helper)
        return True

    def _read_nearby(self, statement: Statement) -> bool:
        """True where the same iteration reads the value again."""
        return any(
            leaf.node is statement.node
            for other in statement.loops[-1].statements()
            for leaf in other.tree.leaves()
        ) if statement.loops else False  # fmt: skip
