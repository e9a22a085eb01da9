"""Random programs of the whiteboard language, as text, and what must hold for each of them.

`write_program(choose)` makes one; `choose(n)` gives a number below n, so that Hypothesis can shrink it and a plain
random generator can make thousands. The generator keeps track of sizes, so that most programs are valid.
`check(text)` raises `Broken` where chainrule breaks a promise, and says what became of the program otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import chainrule as cr
from chainrule.algebra.program import Variable, is_anonymous
from chainrule.calculus.forward import tangent_name, tangents
from chainrule.errors import ChainruleError, ChainruleWarning
from chainrule.language.elaborate import elaborate_expression, known_functions
from chainrule.language.parser import parse_expression, parse_program
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_expression, evaluate_program

Shape = tuple[str, str]  # rows, columns; "1" where there is one
SCALAR: Shape = ("1", "1")
SIZES = ("D", "H", "K", "N")
FUNCTIONS = ("relu", "sigmoid", "tanh", "exp", "sin", "cos", "softplus", "abs", "arctan", "silu", "σ")
LETTERS = "abcd"
ODD_NAMES = (
    "θ",
    "ŷ",
    "δ1",
    "Δ2",
    "T",
    "k",
    "i",
    "a_long_name",
    "e",
    "E",
    "α",
    "x_hat",
    "S",
    "m",
    "W_out",
    "λ",
    "sgn_1",
    "Σ",
)


class _Writer:
    def __init__(self, choose: Callable[[int], int]) -> None:
        self.choose = choose
        self.declared: list[str] = []
        self.lines: list[str] = []
        self.results: list[str] = []
        self.names: dict[str, Shape] = {}  # whatever may be used
        self.positive: set[str] = set()
        self.onehot: dict[str, Shape] = {}
        self.definitions: list[tuple[str, int]] = []
        self.sizes = SIZES[: 1 + choose(4)]
        if choose(6) == 0:
            self.sizes = (*self.sizes, self.pick(("2", "3")))

    def pick(self, options):
        return options[self.choose(len(options))]

    def size(self) -> str:
        return self.pick(self.sizes)

    def shape(self) -> Shape:
        kind = self.choose(8)
        if kind < 2:
            return SCALAR
        if kind < 4:
            return (self.size(), "1")
        if kind < 5:
            return ("1", self.size())
        return (self.size(), self.size())

    # -- names ---------------------------------------------------------------------------------------------------

    def declare(self, shape: Shape, facts: str = "") -> str:
        kind = self.pick(("param", "param", "input", "const")) if not facts else self.pick(("param", "input"))
        if "one-hot" in facts or "rows" in facts:
            kind = "label"
        stem = "x" if 1 in shape or "1" in shape else "W"
        stem = {"label": "y", "const": "c"}.get(kind, stem)
        name = f"{stem}{len(self.names) + 1}"
        if self.choose(4) == 0:
            name = self.pick([n for n in ODD_NAMES if n not in self.names] or [name])
        rows, cols = shape
        text = "scalar" if shape == SCALAR else rows if cols == "1" else f"{rows} × {cols}"
        self.declared.append(f"{kind} {name} : {text}" + (f", {facts}" if facts else ""))
        self.names[name] = shape
        if "positive" in facts:
            self.positive.add(name)
        if kind == "label":
            self.onehot[name] = shape
        return name

    def name(self, shape: Shape) -> str:
        fits = [n for n, s in self.names.items() if s == shape]
        turned = [n for n, s in self.names.items() if s == shape[::-1] and shape != SCALAR]
        if turned and self.choose(3) == 0:
            return self.pick(turned) + "ᵀ"
        if fits and self.choose(4):
            return self.pick(fits)
        facts = ""
        if self.choose(8) == 0:
            square = shape[0] == shape[1] != "1"
            facts = self.pick(
                ("positive", "nonnegative", "symmetric", "diagonal") if square else ("positive", "nonnegative")
            )
        if len(self.names) > 9 and fits:
            return self.pick(fits)
        return self.declare(shape, facts)

    # -- expressions: text that binds like a name or a call, unless it stands in brackets ------------------------------

    def bracket(self, text: str) -> str:
        return text if text.replace("ᵀ", "").isalnum() else f"({text})"

    def sub(self, shape: Shape, depth: int) -> str:
        return self.bracket(self.expr(shape, depth - 1))

    def expr(self, shape: Shape, depth: int) -> str:
        if depth <= 0:
            return self.name(shape) if shape != SCALAR or self.choose(4) else self.number()
        options = ["name", "sum", "sum", "had", "fn", "fn", "scaled", "product", "product", "ratio", "power", "root"]
        options += ["where", "max", "neg", "def", "posfn", "transposed"]
        if shape == SCALAR:
            options += [
                "inner",
                "norm",
                "total",
                "total",
                "mean",
                "lse",
                "tr",
                "ce",
                "norm1",
                "size",
                "quadratic",
                "spow",
            ]
        elif "1" in shape:
            options += ["softmax", "reduced", "reduced", "diagof", "prodvec", "prodvec", "lse_rows", "ones"]
        else:
            options += ["outer", "broadcast", "broadcast", "softmax", "prodvec", "reducedbc"]
            if shape[0] == shape[1]:
                options += ["diag", "identity", "matpower"]
        return getattr(self, "e_" + self.pick(options))(shape, depth)

    def number(self) -> str:
        return self.pick(("1", "2", "3", "1/2", "0.5", "0.3", "2/3", "1e-3"))

    def e_name(self, shape: Shape, depth: int) -> str:
        return self.name(shape)

    def e_sum(self, shape: Shape, depth: int) -> str:
        sign = self.pick((" + ", " − ", " - "))
        left, right = self.expr(shape, depth - 1), self.sub(shape, depth)
        if self.choose(6) == 0:
            right = self.number()
        return left + sign + right

    def e_neg(self, shape: Shape, depth: int) -> str:
        return "−" + self.sub(shape, depth)

    def e_had(self, shape: Shape, depth: int) -> str:
        sign = self.pick((" ∘ ", " .* ", " ⊙ "))
        return self.sub(shape, depth) + sign + self.sub(shape, depth)

    def e_fn(self, shape: Shape, depth: int) -> str:
        return f"{self.pick(FUNCTIONS)}({self.expr(shape, depth - 1)})"

    def positive_of(self, shape: Shape, depth: int) -> str:
        """Something that is positive everywhere."""
        names = [n for n in self.positive if self.names[n] == shape]
        kind = self.choose(6)
        if kind == 0 and names:
            return self.pick(names)
        if kind == 1:
            return f"(1 + {self.sub(shape, depth)}.^2)"
        if kind == 2:
            return f"sigmoid({self.expr(shape, depth - 1)})"
        if kind == 3:
            return f"softplus({self.expr(shape, depth - 1)})"
        if kind == 4:
            return self.declare(shape, "positive")
        return f"exp({self.expr(shape, depth - 1)})"

    def e_posfn(self, shape: Shape, depth: int) -> str:
        return f"log({self.positive_of(shape, depth)})"

    def e_root(self, shape: Shape, depth: int) -> str:
        inner = self.positive_of(shape, depth)
        if self.choose(2):
            return f"sqrt({inner})"
        return f"{self.bracket(inner)}.^{self.pick(('(1/2)', '(3/2)', '(−1/2)', '0.5', '(1/3)'))}"

    def e_spow(self, shape: Shape, depth: int) -> str:
        return f"{self.sub(shape, depth)}^{self.pick(('2', '3'))}"

    def e_power(self, shape: Shape, depth: int) -> str:
        if self.choose(4) == 0:
            return f"{self.bracket(self.positive_of(shape, depth))}.^(−{self.pick('12')})"
        return f"{self.sub(shape, depth)}.^{self.pick('23')}"

    def e_ratio(self, shape: Shape, depth: int) -> str:
        if self.choose(2) or shape == SCALAR:
            below = self.pick((self.pick(self.sizes), "2", "N", f"({self.positive_of(SCALAR, depth - 1)})"))
            return f"{self.sub(shape, depth)} / {below if below != 'N' or 'N' in self.sizes else '3'}"
        return f"{self.sub(shape, depth)} ./ {self.bracket(self.positive_of(shape, depth))}"

    def e_scaled(self, shape: Shape, depth: int) -> str:
        front = self.pick((self.number(), self.name(SCALAR), self.sub(SCALAR, depth - 1)))
        return (
            f"{self.bracket(front)} {self.sub(shape, depth)}"
            if not front.isdigit() or self.choose(2)
            else f"{front} * {self.sub(shape, depth)}"
        )

    def e_product(self, shape: Shape, depth: int) -> str:
        inner = self.size()
        rows, cols = shape
        sign = self.pick((" ", " ", " @ "))
        right = self.sub((inner, cols), depth)
        return self.sub((rows, inner), depth) + sign + right

    def e_prodvec(self, shape: Shape, depth: int) -> str:
        if shape[1] == "1":
            return (
                f"{self.name((shape[0], self.size()))} {self.sub((self.names[list(self.names)[-1]][1], '1'), 0)}"
                if False
                else self.e_product(shape, depth)
            )
        return self.e_product(shape, depth)

    def e_where(self, shape: Shape, depth: int) -> str:
        sign = self.pick((" > ", " < ", " >= ", " <= "))
        text = f"1[{self.expr(shape, depth - 1)}{sign}{self.pick(('0', self.expr(shape, depth - 2)))}]"
        return f"{text} ∘ {self.sub(shape, depth)}" if self.choose(3) else text

    def e_max(self, shape: Shape, depth: int) -> str:
        return f"{self.pick(('max', 'min', 'maximum'))}({self.expr(shape, depth - 1)}, {self.pick(('0', self.expr(shape, depth - 1)))})"  # noqa: E501

    def e_def(self, shape: Shape, depth: int) -> str:
        if not self.definitions or self.choose(3) == 0:
            body = self.pick(("u ∘ sigmoid(u)", "u - tanh(u)", "2 u + exp(u) ∘ u", "relu(u) ∘ u.^2", "1/2 u.^2 + sin(u)",  # noqa: E501
                              "u ./ (1 + abs(u))"))  # fmt: skip
            name = f"f{len(self.definitions) + 1}"
            self.declared.insert(0, f"def {name}(u) = {body}")
            self.definitions.append((name, 1))
        return f"{self.pick(self.definitions)[0]}({self.expr(shape, depth - 1)})"

    def e_transposed(self, shape: Shape, depth: int) -> str:
        return self.sub(shape[::-1], depth).rstrip() + "ᵀ" if shape != SCALAR else self.name(shape)

    # scalars
    def e_inner(self, shape: Shape, depth: int) -> str:
        n = self.size()
        return f"{self.sub(('1', n), depth)} {self.sub((n, '1'), depth)}"

    def e_quadratic(self, shape: Shape, depth: int) -> str:
        n = self.size()
        x = self.name((n, "1")).removesuffix("ᵀ")
        left, right = (x, x + "ᵀ") if self.names[x] == ("1", n) else (x + "ᵀ", x)
        return f"{left} {self.sub((n, n), depth)} {right}"

    def any_array(self) -> Shape:
        return self.pick(((self.size(), "1"), ("1", self.size()), (self.size(), self.size())))

    def e_norm(self, shape: Shape, depth: int) -> str:
        return f"norm({self.expr(self.any_array(), depth - 1)}){self.pick(('', '^2', '^2'))}"

    def e_norm1(self, shape: Shape, depth: int) -> str:
        return f"norm1({self.expr(self.any_array(), depth - 1)})"

    def e_total(self, shape: Shape, depth: int) -> str:
        return f"sum({self.expr(self.any_array(), depth - 1)})"

    def e_mean(self, shape: Shape, depth: int) -> str:
        return f"mean({self.expr(self.any_array(), depth - 1)})"

    def e_lse(self, shape: Shape, depth: int) -> str:
        n = self.size()
        return f"logsumexp({self.expr(self.pick(((n, '1'), ('1', n))), depth - 1)})"

    def e_lse_rows(self, shape: Shape, depth: int) -> str:
        if shape[1] != "1":
            return self.e_fn(shape, depth)
        return f"logsumexp({self.expr((shape[0], self.size()), depth - 1)})"

    def e_tr(self, shape: Shape, depth: int) -> str:
        n = self.size()
        return f"tr({self.expr((n, n), depth - 1)})"

    def e_ce(self, shape: Shape, depth: int) -> str:
        n, k = self.size(), self.size()
        form = self.pick(((n, "1"), ("1", n), (n, k)))
        labels = [x for x, s in self.onehot.items() if s == form]
        if labels and self.choose(3):
            y = self.pick(labels)
        elif form[0] == "1" or self.choose(3) == 0:
            y = self.name(form)
        else:
            y = self.declare(form, self.pick(("one-hot", "one-hot", "rows sum to 1")))
        p = f"softmax({self.expr(form, depth - 1)})" if self.choose(4) else f"sigmoid({self.expr(form, depth - 1)})"
        text = f"CE({y}, {p})"
        if self.choose(4) == 0:
            text = self.pick(
                (f"BCE({y}, sigmoid({self.expr(form, depth - 1)}))", f"BCE_logits({y}, {self.expr(form, depth - 1)})")
            )
        return f"{self.pick(('mean', 'sum'))}({text})" if "1" not in form else text

    def e_size(self, shape: Shape, depth: int) -> str:
        return self.size() if self.choose(2) else f"{self.size()} {self.name(SCALAR)}"

    # vectors
    def e_softmax(self, shape: Shape, depth: int) -> str:
        return f"{self.pick(('softmax', 'softmax', 'log_softmax'))}({self.expr(shape, depth - 1)})"

    def e_reduced(self, shape: Shape, depth: int) -> str:
        rows, cols = shape
        what = self.pick(("sum", "mean"))
        if cols == "1":
            return self.pick((f"{what}({self.expr((rows, self.size()), depth - 1)}, over=columns)",
                              f"row{what}({self.expr((rows, self.size()), depth - 1)})"))  # fmt: skip
        return self.pick((f"{what}({self.expr((self.size(), cols), depth - 1)}, over=rows)",
                          f"col{what}({self.expr((self.size(), cols), depth - 1)})"))  # fmt: skip

    def e_diagof(self, shape: Shape, depth: int) -> str:
        n = shape[0] if shape[1] == "1" else shape[1]
        return f"diag({self.expr((n, n), depth - 1)})" + ("" if shape[1] == "1" else "ᵀ")

    def e_ones(self, shape: Shape, depth: int) -> str:
        return f"ones({shape[0]})" if shape[1] == "1" else f"ones({shape[1]})ᵀ"

    # matrices
    def e_outer(self, shape: Shape, depth: int) -> str:
        rows, cols = shape
        if self.choose(2):
            return f"outer({self.expr((rows, '1'), depth - 1)}, {self.expr((cols, '1'), depth - 1)})"
        return f"{self.sub((rows, '1'), depth)} {self.sub(('1', cols), depth)}"

    def e_broadcast(self, shape: Shape, depth: int) -> str:
        rows, cols = shape
        small = self.pick(((rows, "1"), ("1", cols)))
        sign = self.pick((" + ", " − ", " ∘ "))
        return f"{self.sub(shape, depth)}{sign}{self.sub(small, depth)}"

    def e_reducedbc(self, shape: Shape, depth: int) -> str:
        x = self.name(shape)
        return (
            f"{x} − {self.pick(('mean', 'sum'))}({x}, over={self.pick(('rows', 'columns'))})"
            if not x.endswith("ᵀ")
            else x
        )

    def e_diag(self, shape: Shape, depth: int) -> str:
        return f"diag({self.expr((shape[0], '1'), depth - 1)})"

    def e_identity(self, shape: Shape, depth: int) -> str:
        return f"{self.sub(shape, depth)} + {self.pick(('I', '2 I', f'eye({shape[0]})'))}"

    def e_matpower(self, shape: Shape, depth: int) -> str:
        return f"{self.sub(shape, depth)}^{self.pick('23')}"

    # -- index notation -------------------------------------------------------------------------------------------

    def indexed(self, name: str) -> Shape:
        """An equation in index notation; its shape."""
        dims: dict[str, str] = {}
        free = LETTERS[: 1 + self.choose(2)]
        for letter in free:
            dims[letter] = self.size()
        inner = LETTERS[len(free) : len(free) + self.choose(3)]
        for letter in inner:
            dims[letter] = self.size()
        terms = []
        for _ in range(1 + self.choose(2)):
            factors = []
            waiting = list(free + inner)
            while waiting:
                letters = waiting[: 1 + self.choose(2)]
                waiting = waiting[len(letters) :]
                if len(letters) == 1 and self.choose(2):
                    letters.append(self.pick(list(dims)))
                    if self.choose(2):
                        letters.reverse()
                shape = (dims[letters[0]], dims[letters[1]] if len(letters) > 1 else "1")
                which = self.name(shape)
                if which.endswith("ᵀ"):
                    which = which[:-1]
                    letters.reverse()
                text = f"{which}[{','.join(letters)}]"
                if self.choose(4) == 0:
                    text = f"{self.pick(('relu', 'tanh', 'exp', 'sin'))}({text})"
                elif self.choose(8) == 0:
                    text += "^2"
                factors.append(text)
            body = " ".join(factors)
            for letter in inner:
                body = f"sum({letter}, {body})"
            terms.append(body)
        self.lines.append(f"{name}[{','.join(free)}] = {self.pick((' + ', ' − ')).join(terms)}")
        return (dims[free[0]], dims[free[1]]) if len(free) == 2 else (dims[free[0]], "1")

    # -- programs -------------------------------------------------------------------------------------------------

    def equation(self, number: int) -> None:
        name = f"{'z' if self.choose(2) else 'h'}{number}"
        if self.choose(6) == 0:
            name = self.pick([n for n in ODD_NAMES if n not in self.names] or [name])
        self.results.append(name)
        if self.choose(7) == 0:
            shape = self.indexed(name)
        else:
            shape = self.shape()
            self.lines.append(f"{name} = {self.expr(shape, 1 + self.choose(3))}")
        self.names[name] = shape

    def loss(self) -> str:
        """A scalar that uses the last names."""
        terms = []
        for name in self.results[-(1 + self.choose(3)) :]:
            shape = self.names[name]
            if shape == SCALAR:
                terms.append(self.pick((name, f"{name}^2", f"tanh({name})")))
            elif "1" in shape:
                terms.append(self.pick((f"sum({name})", f"norm({name})^2", f"mean(tanh({name}))", f"sum({name}.^2)",
                                        f"logsumexp({name})", f"norm({name})")))  # fmt: skip
            else:
                terms.append(self.pick((f"sum({name})", f"norm({name})^2", f"mean({name})", f"sum(sin({name}))",
                                        f"sum(logsumexp({name}))")))  # fmt: skip
        if self.choose(3) == 0:
            terms.append(self.bracket(self.expr(SCALAR, 2)))
        text = self.pick((" + ", " − ")).join(terms)
        return f"({text})/{self.size()}" if self.choose(8) == 0 else text

    def program(self) -> str:
        for number in range(1, 2 + self.choose(4)):
            self.equation(number)
        loss = self.loss()
        return "\n".join([*self.declared, *self.lines, f"J = {loss}"]) + "\n"


def write_program(choose: Callable[[int], int]) -> str:
    """The text of a random program."""
    return _Writer(choose).program()


# -- promises ------------------------------------------------------------------------------------------------------


class Broken(AssertionError):
    """A promise that chainrule did not keep."""


@dataclass
class Outcome:
    """What became of a program: refused (with the message), not finite, or fine."""

    status: str = "fine"
    message: str = ""
    formulas: int = 0
    irreducible: int = 0
    extra: dict[str, str] = field(default_factory=dict)


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-9, floor: float = 1e-300) -> bool:
    scale = max(float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)), floor)
    return a.shape == b.shape and bool((np.abs(a - b) <= tolerance * scale).all())


def _value(program, value, expression, indices, known, sizes):
    """Its array; equations that reading the text added to `program` are computed first."""
    all_known = evaluate_program(program, known, sizes)
    return evaluate_expression(expression, indices, all_known, sizes, program.functions)


def read_back(program, text, letters, dims, orientation, known, sizes, definitions=()):
    """The array that a printed formula denotes, in the axes of a variable of these dims."""
    copy = program.copy()
    for number, name in enumerate([n for n in copy.variables if n.startswith("∂") and n in text]):
        old = copy.variables[name]  # the Jacobian of an unknown function: ∂f/∂x is no name of the language
        copy.declare(Variable(f"jac_{number}_f", old.dims, old.orientation, "const"))
        known = {**known, f"jac_{number}_f": known[name]}
        text = text.replace(name, f"jac_{number}_f")
    names = [n for n in copy.variables if not is_anonymous(n)]
    if letters:
        # Through an equation R[i,j] = …, whose ranges must be found again: a vector of zeros for each index gives them.
        extra = ""
        tree_names = {}
        for letter, dim in zip(letters, dims, strict=True):
            helper = f"helper_{letter}"
            copy.declare(Variable(helper, (dim,), "column", "const"))
            known = {**known, helper: np.zeros(dim if isinstance(dim, int) else sizes[dim])}
            extra += f" + {helper}[{letter}]"
            tree_names[helper] = dim
        source = f"R_back[{','.join(letters)}] = {text}{extra}"
        from chainrule.dims import canonical_name
        from chainrule.language import ast
        from chainrule.language.elaborate import Elaborator

        declarations = "".join(
            f"const {n} : {' × '.join(map(str, copy.variables[n].dims)) or 'scalar'}\n"
            for n in [*names, *tree_names] if not n.startswith("∂") and len(copy.variables[n].dims) > 0
        )  # fmt: skip
        functions = known_functions() | {x.name for x in definitions}
        tree = parse_program(declarations + source, "whiteboard", functions)
        elaborator = Elaborator(ast.Program(()))
        elaborator.program = copy
        for name, var in copy.variables.items():
            elaborator.names[canonical_name(name)] = name
            for dim in var.dims:
                if isinstance(dim, str):
                    elaborator.dims.setdefault(dim, None)
        elaborator.definitions = {canonical_name(x.name): x for x in definitions}
        value = elaborator.entries(tree.statements[-1])
        return _value(copy, value, value.expr, value.indices, known, sizes), value
    functions = known_functions() | {x.name for x in definitions}
    node = parse_expression(text, "whiteboard", functions, variables=names)
    value = elaborate_expression(copy, node, definitions)
    expression, shape = value.expr, value.dims
    if value.orientation == "identity":
        i, j = [(-1, dims[0]), (-2, dims[1])]
        from chainrule.algebra.expr import delta, multiply

        return _value(copy, value, multiply(expression, delta(i, j)), (i, j), known, sizes), value
    if value.orientation == "scalar" and not expression and dims:  # 0 for an array of zeros
        return np.zeros([d if isinstance(d, int) else sizes[d] for d in dims]), value
    if shape != dims or value.orientation != orientation:
        raise Broken(f"{text} is read as {value.orientation} {shape}, not {orientation} {dims}")
    return _value(copy, value, expression, value.indices, known, sizes), value


def user_definitions(net):
    return [s for s in net._elaborated.tree.statements if hasattr(s, "parameters")]


def check(text: str, seed: int = 0, deep: bool = True) -> Outcome:
    """Every promise for one program. Raises Broken; any other exception is a broken promise too."""
    out = Outcome()
    try:
        net = cr.parse(text)
    except ChainruleError as error:
        return Outcome("parse refused", error.message)
    again = cr.parse(str(net))
    if str(again) != str(net):
        raise Broken(f"the echo is not stable:\n{net}\n{again}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        try:
            d = net.derive()
        except ChainruleError as error:
            return Outcome("derive refused", error.message)
    d.text(), d.text(explain=1), d.latex(), d.to_json(), d.markdown(), str(net), net.equations
    report = d.verify(seed)
    if report.reason:
        return Outcome("not finite", report.reason)
    if not report.ok:
        raise Broken(f"verify: {report} {report.errors}")
    point = finite_point(d, seed)
    if point is None:
        return Outcome("not finite", "no point for formulas")
    sizes, values, known = point
    check_formulas(d, sizes, known, out)
    if deep:
        check_forward(net, d, sizes, values, known, seed)
        check_jacobians(net, sizes, values, known, out)
        check_lift(net, out)
    return out


def finite_point(d, seed):
    sizes = choose_sizes(d.network.program)
    rng = np.random.default_rng(seed + 1)
    for attempt in range(12):
        values = sample(d.network.program, sizes, rng, positive=attempt % 2 == 1)
        with np.errstate(all="ignore"):
            known = evaluate_program(d.program, values, sizes)
        if all(np.isfinite(known[e.name]).all() and np.abs(known[e.name]).max(initial=0) < 1e12 for e in d.program):
            return sizes, values, known
    return None


def check_formulas(d, sizes, known, out) -> None:
    for g in (*d.signals.values(), *d.gradients.values()):
        variable = d.program.variables[g.name]
        if g.name in d.backward.gradients.values():
            source = d.program.variables[g.of]
            if variable.dims != source.dims or variable.shape != source.shape or g.shape != source.shape:
                raise Broken(f"shape of {g.name}: {variable.shape} for {source.shape}")
        out.formulas += 1
        letters = g.written.indices
        if letters:
            out.irreducible += 1
        expected = known[g.name]
        forms = [(g.text, letters, variable.dims, variable.orientation, expected)]
        if not letters:
            forms.append((g.written.index_text, g.written._letters, variable.dims, variable.orientation, expected))
        if g.numerator != g.text and not letters:
            orientation = {"column": "row"}.get(variable.orientation, variable.orientation)
            forms.append((g.numerator, (), variable.dims[::-1], orientation, expected.T))
        for text, at, dims, orientation, value in forms:
            if "∂" in text and "]/∂" in text:  # an entry of an unknown function's Jacobian: ∂f[k]/∂x[i]
                continue
            try:
                got, _ = read_back(d.program, text, at, dims, orientation, known, sizes, user_definitions(d.network))
            except ChainruleError as error:
                raise Broken(f"{g.name} = {text} does not parse back: {error}") from None
            floor = max(float(np.abs(known[n]).max(initial=0)) for n in known) * 1e-4  # terms that cancel
            if not close(got, value, 1e-9, floor):
                raise Broken(
                    f"{g.name} = {text} is read back as something else: {np.abs(got - value).max() if got.shape == value.shape else (got.shape, value.shape)}"  # noqa: E501
                )


def check_forward(net, d, sizes, values, known, seed) -> None:
    wrt = list(d.gradients)
    if not wrt:
        return
    program = tangents(net.program, net.loss, wrt)
    rng = np.random.default_rng(seed + 7)
    directions = {n: rng.standard_normal(values[n].shape) for n in wrt}
    both = evaluate_program(program, {**values, **{tangent_name(n): v for n, v in directions.items()}}, sizes)
    expected = sum(float((known[d.backward.gradients[n]] * directions[n]).sum()) for n in wrt)
    size = sum(float(np.abs(known[d.backward.gradients[n]] * directions[n]).sum()) for n in wrt)
    got = float(both.get(tangent_name(net.loss), np.zeros(())))
    if not np.isfinite(got):  # a point at which an intermediate result, such as norm(0), has no tangent
        return
    largest = max(float(np.abs(known[n]).max(initial=0)) for n in known)
    if abs(got - expected) > 1e-8 * max(size, abs(got), 1e-5 * largest):
        raise Broken(f"forward mode gives {got}, the gradients give {expected}")


def check_jacobians(net, sizes, values, known, out) -> None:
    vectors = [e.name for e in net.program if not is_anonymous(e.name) and len(net.program.variables[e.name].dims) <= 1]
    sources = [v.name for v in net.program.variables.values() if v.kind in ("param", "input") and len(v.dims) <= 1]
    done = 0
    for of in vectors:
        for wrt in sources:
            if done >= 3:
                return
            try:
                j = net.jacobian(wrt, of)
            except ChainruleError as error:
                out.extra["jacobian"] = error.message
                continue
            j.text, j.latex, j.structure, j.entry, str(j)
            full = evaluate_program(j.program, values, sizes)
            got = full[j.name]
            base = values[wrt]
            columns = []
            ok = np.isfinite(got).all()
            for position in range(base.size):
                unit = np.zeros(base.size)
                unit[position] = 1
                unit = unit.reshape(base.shape)
                best = []
                for h in (1e-4, 1e-5):
                    p, m = (
                        evaluate_program(net.program, {**values, wrt: base + s * h * unit}, sizes)[of] for s in (1, -1)
                    )
                    best.append((p - m) / (2 * h))
                ok = ok and all(np.isfinite(b).all() for b in best) and close(best[0], best[1], 1e-4, 1e-4)
                columns.append(best[1])
            if not ok:
                continue
            differences = np.stack(columns, axis=-1).reshape(got.shape)
            done += 1
            if not close(got, differences, 1e-4, 1e-3):
                raise Broken(
                    f"jacobian ∂{of}/∂{wrt} = {j.text}: {np.abs(got - differences).max()} of {np.abs(got).max()}"
                )
            variable = j.program.variables[j.name]
            if True:
                letters = j.written.indices
                try:
                    back, _ = read_back(
                        j.program,
                        j.text,
                        letters,
                        variable.dims,
                        variable.orientation,
                        full,
                        sizes,
                        user_definitions(net),
                    )
                except ChainruleError as error:
                    raise Broken(f"jacobian ∂{of}/∂{wrt} = {j.text} does not parse back: {error}") from None
                if not close(back, got, 1e-9, 1e-4 * max(float(np.abs(full[n]).max(initial=0)) for n in full)):
                    raise Broken(f"jacobian ∂{of}/∂{wrt} = {j.text} is read back as something else")


def check_lift(net, out) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChainruleWarning)
            batch = "N" if "N" not in str(net) else "B_n"
            lifted = net.lift(batch)
            d = lifted.derive()
            report = d.verify()
            d.text(), d.latex(), d.to_json(), str(lifted)
    except ChainruleError as error:
        out.extra["lift"] = error.message
        return
    if not report.ok and not report.reason:
        raise Broken(f"lifted: {report} {report.errors}")
    # The value: the sum of the loss over samples.
    sizes = choose_sizes(lifted.program)
    values = sample(lifted.program, sizes, np.random.default_rng(5))
    whole = float(evaluate_program(lifted.program, values, sizes)[lifted.loss])
    total, magnitude = 0.0, 0.0
    single = [v for v in net.program.variables.values() if v.kind in ("input", "label", "param", "const")]
    many = [v for v in lifted.program.variables.values() if v.kind in ("input", "label", "param", "const")]
    for n in range(sizes[batch]):
        one = {
            v.name: values[m.name][n] if len(m.dims) > len(v.dims) else values[m.name]
            for v, m in zip(single, many, strict=True)
        }
        value = float(evaluate_program(net.program, one, sizes)[net.loss])
        total += value
        magnitude += abs(value)
    if np.isfinite([whole, total]).all() and abs(whole - total) > 1e-8 * max(magnitude, 1e-9):
        raise Broken(f"lifted loss {whole}, sum over samples {total}")
