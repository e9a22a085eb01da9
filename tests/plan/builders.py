"""Programs for the tests of plans and targets, built by hand in the algebra, without the front end.

`term("X[n,d] W[d,h]")` reads like index notation: factors are `name[indices]`, `head(name)[indices]`, a power behind
`^`, `δ[i,j]`, and `#N` for a size. Indices that are not among the equation's are summed.
"""

from __future__ import annotations

import random
import re
from fractions import Fraction

import numpy as np

from chainrule.algebra.expr import Expr, Factor, Index, add, monomial
from chainrule.algebra.program import Program, Variable

SIZES = {"N": 7, "D": 5, "H": 3, "K": 11, "T": 2}
_FACTOR = re.compile(
    r"(?P<coefficient>-?\d+(?:/\d+)?)$|#(?P<size>\w+?)(?:\^(?P<size_exponent>-?[\d/]+))?$|"
    r"(?:(?P<head>\w+)\((?P<inner>[^()]+)\)|(?P<name>[^\[\]^()]+))(?:\[(?P<indices>[^\]]*)\])?(?:\^(?P<exponent>-?[\d/]+))?$"
)


class Builder:
    """A program under construction. `sizes`: index letter → size; each letter always has the same one."""

    def __init__(self, **index_sizes: str) -> None:
        self.program = Program()
        self.index_sizes = index_sizes

    def declare(self, name: str, indices: str = "", kind: str = "input", orientation: str = "") -> None:
        dims = tuple(self.index_sizes[i] for i in indices)
        self.program.declare(Variable(name, dims, orientation or _orientation(len(dims)), kind))

    def define(self, name: str, indices: str, *terms: str, kind: str = "value", orientation: str = "") -> None:
        """name[indices] = Σ terms."""
        dims = tuple(self.index_sizes[i] for i in indices)
        free = {letter: (-k, self.index_sizes[letter]) for k, letter in enumerate(indices, 1)}
        value = add(*(self.term(text, free) for text in terms)) if terms else {}
        self.program.define(Variable(name, dims, orientation or _orientation(len(dims)), kind), value)

    def term(self, text: str, free: dict[str, Index]) -> Expr:
        factors: list[Factor] = []
        coefficient = Fraction(1)
        known = dict(free)
        bound = []
        for token in text.split():
            match = _FACTOR.match(token)
            assert match, token
            if match["coefficient"]:
                coefficient *= Fraction(match["coefficient"])
                continue
            if match["size"]:
                factors.append((("#", match["size"], ()), _exponent(match["size_exponent"])))
                continue
            letters = [letter for letter in (match["indices"] or "").split(",") if letter]
            for letter in letters:
                if letter not in known:
                    known[letter] = (100 + len(bound), self.index_sizes[letter])
                    bound.append(known[letter])
            indices = tuple(known[letter] for letter in letters)
            if match["name"] == "δ":
                factors.append((("δ", "", tuple(sorted(indices))), 1))
                continue
            atom = (match["head"] or "", match["inner"] or match["name"], indices)
            factors.append((atom, _exponent(match["exponent"])))
        return monomial(int(coefficient) if coefficient.denominator == 1 else coefficient, factors, bound)


def _exponent(text: str | None) -> int | Fraction:
    value = Fraction(text or 1)
    return value.numerator if value.denominator == 1 else value


def _orientation(rank: int) -> str:
    return ("scalar", "column", "matrix", "tensor")[min(rank, 3)]


def draw(program: Program, sizes: dict[str, int] | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Normal data for what a program declares."""
    generator = np.random.default_rng(seed)
    sizes = sizes or SIZES
    return {
        name: generator.standard_normal([d if isinstance(d, int) else sizes[d] for d in variable.dims])
        for name, variable in program.variables.items()
        if name not in program.equations
    }


def one_layer() -> Program:
    """The note's network for one sample, with its backward pass."""
    b = Builder(d="D", h="H", k="K", m="K")
    b.declare("x", "d")
    b.declare("y", "k", "label")
    b.declare("W", "hd", "param")
    b.declare("b1", "h", "param")
    b.declare("U", "kh", "param")
    b.declare("b2", "k", "param")
    b.define("z", "h", "W[h,d] x[d]", "b1[h]")
    b.define("h", "h", "relu(z)[h]")
    b.define("θ", "k", "U[k,h] h[h]", "b2[k]")
    b.define("%1", "k", "exp(θ)[k]")
    b.define("%2", "", "%1[m]")
    b.define("ŷ", "k", "%1[k] %2^-1")
    b.define("J", "", "-1 y[k] log(ŷ)[k]")
    b.define("δ1", "k", "ŷ[k]", "-1 y[k]", kind="signal", orientation="row")
    b.define("δ2", "h", "δ1[k] U[k,h] sgn(h)[h]", kind="signal", orientation="row")
    b.define("∂J/∂W", "hd", "δ2[h] x[d]", kind="gradient")
    b.define("∂J/∂b1", "h", "δ2[h]", kind="gradient")
    b.define("∂J/∂U", "kh", "δ1[k] h[h]", kind="gradient")
    b.define("∂J/∂b2", "k", "δ1[k]", kind="gradient")
    b.define("∂J/∂x", "d", "δ2[h] W[h,d]", kind="gradient")
    return b.program


def one_layer_rows() -> Program:
    """The same for a batch, rows are samples."""
    b = Builder(n="N", d="D", h="H", k="K", m="K")
    b.declare("X", "nd")
    b.declare("Y", "nk", "label")
    b.declare("W", "dh", "param")
    b.declare("b1", "h", "param", "row")
    b.declare("U", "hk", "param")
    b.declare("b2", "k", "param", "row")
    b.define("Z", "nh", "X[n,d] W[d,h]", "b1[h]")
    b.define("H", "nh", "relu(Z)[n,h]")
    b.define("Θ", "nk", "H[n,h] U[h,k]", "b2[k]")
    b.define("%1", "nk", "exp(Θ)[n,k]")
    b.define("%2", "n", "%1[n,m]")
    b.define("Ŷ", "nk", "%1[n,k] %2[n]^-1")
    b.define("%3", "nk", "log(Ŷ)[n,k]")
    b.define("%4", "n", "-1 Y[n,k] %3[n,k]")
    b.define("J", "", "%4[n] #N^-1")
    b.define("Δ1", "nk", "Ŷ[n,k] #N^-1", "-1 Y[n,k] #N^-1", kind="signal")
    b.define("Δ2", "nh", "Δ1[n,k] U[h,k] sgn(H)[n,h]", kind="signal")
    b.define("∂J/∂W", "dh", "X[n,d] Δ2[n,h]", kind="gradient")
    b.define("∂J/∂b1", "h", "Δ2[n,h]", kind="gradient")
    b.define("∂J/∂U", "hk", "H[n,h] Δ1[n,k]", kind="gradient")
    b.define("∂J/∂b2", "k", "Δ1[n,k]", kind="gradient")
    return b.program


def layer_norm() -> Program:
    """Rows normalised, a gain, a quadratic loss; the gradient in its usual form and with diagonals."""
    b = Builder(n="N", d="D", e="D")
    b.declare("X", "nd")
    b.declare("γ", "d", "param")
    b.declare("G", "nd")
    b.define("mean", "n", "X[n,d] #D^-1")
    b.define("C", "nd", "X[n,d]", "-1 mean[n]")
    b.define("var", "n", "C[n,d]^2 #D^-1")
    b.define("%e", "n", "var[n]", "1/100000")
    b.define("r", "n", "%e[n]^-1/2")
    b.define("X̂", "nd", "C[n,d] r[n]")
    b.define("O", "nd", "X̂[n,d] γ[d]")
    b.define("J", "", "1/2 O[n,d]^2", "G[n,d] O[n,d]")
    b.define("Δ1", "nd", "O[n,d] γ[d]", "G[n,d] γ[d]", kind="signal")
    b.define(
        "∂J/∂X", "nd", "r[n] Δ1[n,d]", "-1 r[n] Δ1[n,e] #D^-1", "-1 r[n] X̂[n,d] Δ1[n,e] X̂[n,e] #D^-1", kind="gradient"
    )
    b.define("∂J/∂γ", "d", "O[n,d] X̂[n,d]", "G[n,d] X̂[n,d]", kind="gradient")
    return b.program


def attention() -> Program:
    """One head, batch T of sequences; scores, softmax over the second index, and its backward pass."""
    b = Builder(t="T", n="N", m="N", o="N", d="D", h="H")
    for name, indices in (("Q", "tnd"), ("K_", "tmd"), ("V", "tmh"), ("G", "tnh")):
        b.declare(name, indices)
    b.define("S", "tnm", "Q[t,n,d] K_[t,m,d] #D^-1/2")
    b.define("%1", "tnm", "exp(S)[t,n,m]")
    b.define("%2", "tn", "%1[t,n,m]")
    b.define("P", "tnm", "%1[t,n,m] %2[t,n]^-1")
    b.define("O", "tnh", "P[t,n,m] V[t,m,h]")
    b.define("J", "", "G[t,n,h] O[t,n,h]")
    b.define("Δ1", "tnm", "G[t,n,h] V[t,m,h]", kind="signal")
    b.define("%3", "tn", "G[t,n,h] O[t,n,h]")
    b.define("Δ2", "tnm", "P[t,n,m] Δ1[t,n,m]", "-1 P[t,n,m] %3[t,n]", kind="signal")
    b.define("∂J/∂V", "tmh", "P[t,n,m] G[t,n,h]", kind="gradient")
    b.define("∂J/∂Q", "tnd", "Δ2[t,n,m] K_[t,m,d] #D^-1/2", kind="gradient")
    b.define("∂J/∂K_", "tmd", "Δ2[t,n,m] Q[t,n,d] #D^-1/2", kind="gradient")
    return b.program


def logistic() -> Program:
    """Logistic regression written with exp and 1 − p, as on paper, and its Hessian."""
    b = Builder(n="N", d="D", e="D")
    b.declare("X", "nd")
    b.declare("y", "n", "label")
    b.declare("w", "d", "param")
    b.define("z", "n", "X[n,d] w[d]")
    b.define("%1", "n", "-1 z[n]")
    b.define("%2", "n", "exp(%1)[n]")
    b.define("%3", "n", "1", "%2[n]")
    b.define("p", "n", "%3[n]^-1")
    b.define("%4", "n", "1", "-1 p[n]")
    b.define("J", "", "-1 y[n] log(p)[n]", "-1 log(%4)[n]", "y[n] log(%4)[n]")
    b.define("δ1", "n", "p[n]", "-1 y[n]", kind="signal")
    b.define("∂J/∂w", "d", "δ1[n] X[n,d]", kind="gradient")
    b.define("H", "de", "X[n,d] X[n,e] p[n]", "-1 X[n,d] X[n,e] p[n]^2", kind="value")
    return b.program


def softmax_jacobian() -> Program:
    """diag(ŷ) − ŷ ŷᵀ, an identity, and a third derivative with two deltas."""
    b = Builder(k="K", l="K", m="K")
    b.declare("θ", "k")
    b.define("%1", "k", "exp(θ)[k]")
    b.define("%2", "", "%1[m]")
    b.define("ŷ", "k", "%1[k] %2^-1")
    b.define("L", "", "log(%2)")
    b.define("A", "kl", "δ[k,l] ŷ[k]", "-1 ŷ[k] ŷ[l]")
    b.define("I", "kl", "δ[k,l]")
    b.define("B", "klm", "2 δ[k,l] δ[l,m] ŷ[k]", "-1 δ[k,l] ŷ[k] ŷ[m]", "ŷ[k] ŷ[l] ŷ[m]")
    b.define("C", "kl", "3 δ[k,l]", "δ[k,l] θ[k]", "θ[l]")
    return b.program


def sequence() -> Program:
    """A layer on a batch of sequences, its gradient, and contractions over several axes at once."""
    b = Builder(t="T", n="N", d="D", h="H", k="K", o="D")
    b.declare("X", "tnd")
    b.declare("W", "dh", "param")
    b.declare("G", "tnh")
    b.declare("V", "dhk", "param")
    b.declare("C", "nt")
    b.define("Z", "tnh", "X[t,n,d] W[d,h]")
    b.define("dW", "dh", "X[t,n,d] G[t,n,h]")
    b.define("dX", "tnd", "G[t,n,h] W[d,h]")
    b.define("A", "tnk", "X[t,n,d] G[t,n,h] V[d,h,k]")
    b.define("B", "dk", "X[t,n,d] G[t,n,h] V[o,h,k]")
    b.define("E", "dhk", "X[t,n,d] G[t,n,h] C[n,t] V[o,h,k]")
    b.define("F", "hd", "G[t,n,h] C[n,t] X[t,n,d]")
    b.define("s", "", "X[t,n,d] G[t,n,h] W[d,h]")
    b.define("q", "tn", "X[t,n,d] X[t,n,d]")
    b.define("u", "k", "V[d,h,k] W[d,h]")
    b.define("v", "nk", "C[n,t] G[t,n,h] V[d,h,k] X[t,n,d]")
    return b.program


PROGRAMS = {
    "sequence": sequence,
    "one_layer": one_layer,
    "one_layer_rows": one_layer_rows,
    "layer_norm": layer_norm,
    "attention": attention,
    "logistic": logistic,
    "softmax_jacobian": softmax_jacobian,
}

_ANY = ["tanh", "sin", "cos", "relu", "sgn", "sigmoid", "softplus", "abs", "step", "exp", "iszero", "arctan"]
_POSITIVE = ["sigmoid", "softplus", "exp", "cosh"]


def random_program(seed: int) -> Program:
    """Declarations and equations drawn at random: every kind of product, sum, power, function and delta."""
    rng = random.Random(seed)
    letters = {"n": "N", "m": "N", "d": "D", "e": "D", "h": "H", "t": "T"}
    b = Builder(**letters)
    known: list[tuple[str, str]] = []
    positive: list[tuple[str, str]] = []
    for k in range(rng.randint(3, 5)):
        indices = "".join(rng.choices("ndht", k=rng.choice([0, 1, 1, 2, 2, 2, 3])))
        indices = ("nd", "ht")[k] if k < 2 else "".join(dict.fromkeys(indices))
        b.declare(f"v{k}", indices, rng.choice(["input", "param"]))
        known.append((f"v{k}", indices))
    for k in range(rng.randint(3, 7)):
        free = "".join(rng.sample("nmdeht", rng.choice([0, 1, 1, 2, 2, 3])))
        name = rng.choice([f"a{k}", f"%{k}"])
        if rng.random() < 0.25:
            source, indices = rng.choice(known)
            head = rng.choice(_POSITIVE)
            bounded = f"tanh{k}"
            b.define(bounded, indices, f"tanh({source})[{','.join(indices)}]")
            b.define(name, indices, f"{head}({bounded})[{','.join(indices)}]")
            known.append((name, indices))
            positive.append((name, indices))
            continue
        terms = [_random_term(rng, letters, free, known, positive) for _ in range(rng.randint(1, 3))]
        b.define(name, free, *terms)
        known.append((name, free))
    return b.program


def _random_term(
    rng: random.Random,
    letters: dict[str, str],
    free: str,
    known: list[tuple[str, str]],
    positive: list[tuple[str, str]],
) -> str:
    tokens = [rng.choice(["1", "-1", "2", "1/2", "-3", "2/3"])]
    if rng.random() < 0.2:
        tokens.append(f"#{rng.choice('NDH')}^{rng.choice(['-1', '-1/2', '1'])}")
    pool = list(dict.fromkeys(free + "".join(rng.sample("nmdeht", 3))))
    for _ in range(rng.randint(1, 4)):
        use_positive = bool(positive) and rng.random() < 0.3
        name, own = rng.choice(positive if use_positive else known)
        picked = []
        for letter in own:
            fitting = [p for p in pool if letters[p] == letters[letter]]
            picked.append(rng.choice(fitting) if fitting else letter)
        indices = f"[{','.join(picked)}]" if picked else ""
        if use_positive:
            tokens.append(f"{name}{indices}^{rng.choice(['-1', '-1', '2', '1/2', '-3/2', '3', '-2'])}")
        elif rng.random() < 0.35:
            tokens.append(f"{rng.choice(_ANY)}({name}){indices}" + rng.choice(["", "", "^2"]))
        else:
            tokens.append(f"{name}{indices}" + rng.choice(["", "", "", "^2"]))
    pairs = [(i, j) for i in free for j in free if i < j and letters[i] == letters[j]]
    if pairs and rng.random() < 0.3:
        tokens.append(f"δ[{','.join(rng.choice(pairs))}]")
    return " ".join(tokens)
