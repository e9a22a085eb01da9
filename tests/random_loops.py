"""Random programs with loops: rows and columns, both directions, entries, blocks, calls on steps, several sizes.

`program(rng)` writes one; sizes of axes are distinct primes. As a command, `python tests/random_loops.py 200 7`: 200
programs from seed 7 on, each verified against central differences, compiled code against the reference interpreter, and
every fourth step by step; what is refused is counted by its reason, and a wrong one stops it.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter

import numpy as np

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.points import sample
from chainrule.reference import evaluate_program

SIZES = {"T": 4, "D": 3, "H": 5, "N": 2}
FUNCTIONS = ("tanh", "sin", "sigmoid", "softplus", "")


class Writer:
    """Writes the equations of one loop over t, columns of H, or rows N × H of a batch."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.batch = bool(rng.random() < 0.3)
        self.backwards = bool(rng.random() < 0.3)
        self.before = "t+1" if self.backwards else "t-1"
        self.params: dict[str, str] = {}
        self.lines: list[str] = []
        self.initial: list[str] = []
        self.states: list[str] = []

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, *options: str) -> str:
        return str(self.rng.choice(options))

    def param(self, kind: str) -> str:
        """A parameter of a kind, new or used before."""
        shapes = {
            "square": "H × H", "in": "D × H" if self.batch else "H × D", "bias": "1 × H" if self.batch else "H",
            "scalar": "scalar", "block": "H × (H + D)",
        }  # fmt: skip
        number = self.rng.integers(1, 3)
        name = {"square": "A", "in": "B", "bias": "b", "scalar": "α", "block": "W"}[kind] + str(number)
        self.params[name] = shapes[kind]
        return name

    def linear(self, state: str) -> str:
        """A state times a matrix."""
        matrix = self.param("square")
        return f"{state} {matrix}" if self.batch else f"{matrix} {state}"

    def given(self) -> str:
        """The input of this step, brought to the size of a state."""
        matrix = self.param("in")
        step = self.pick("x[t]", "x[t]", "x[t-1]")
        return f"{step} {matrix}" if self.batch else f"{matrix} {step}"

    def used(self, k: int, names: list[str]) -> str:
        """A state of this step that is there already, or one of the step before."""
        here = [f"{n}[t]" for n in names[:k]]
        return self.pick(*here, *(f"{n}[{self.before}]" for n in names))

    def term(self, k: int, names: list[str]) -> str:
        one, two = self.used(k, names), self.used(k, names)
        options = [
            self.linear(one), self.linear(one), f"{one} ∘ {two}", f"{self.param('scalar')} {one}", f"{one}/t",
            f"softmax({one})" if not self.batch else f"softmax({one}, over=cols)", f"0.5 {one} ∘ {self.param('bias')}",
        ]  # fmt: skip
        if not self.batch:
            options += [
                f"{one}/(1 + norm({two})^2)", f"layer_norm({one}, {self.param('bias')}, {self.param('bias')}, 0.1)",
                f"({one}ᵀ {two}) {one}", f"mean({one}) {self.param('bias')}", f"max({one}, {two})",
                f"{self.param('block')} [{one}; x[t]]",
            ]  # fmt: skip
        return self.pick(*options)

    def write(self) -> str:
        names = list("uvw"[: self.rng.integers(1, 4)])
        body = []
        for k, name in enumerate(names):
            terms = [self.term(k, names) for _ in range(self.rng.integers(1, 3))]
            function, total = self.pick(*FUNCTIONS), " + ".join([*terms, f"0.3 {self.given()}"])
            if not self.batch and self.chance(0.25):
                body.append(
                    f"{name}[t,i] = {function}(sum(j, {self.param('square')}[i,j] {name}[{self.before},j])"
                    f" + {self.param('bias')}[i])"
                )  # fmt: skip
            else:
                body.append(f"{name}[t] = {function}({total})")
        span = "T..1" if self.backwards else "1..T"
        first = "T+1" if self.backwards else "0"
        used = [n for n in names if any(f"{n}[{self.before}" in line for line in body)]
        starts = []
        for name in used:
            if self.chance(0.4):
                self.params[f"s{name}"] = "N × H" if self.batch else "H"
                starts.append(f"{name}[{first}] = s{name}")
        end = "1" if self.backwards else "T"
        losses = []
        for name in names:
            squares = f"sum({name}[{end}].^2)"
            losses.append(self.pick(f"sum(t, sum({name}[t].^2))", squares, f"mean(t, sum({name}[t].^2)/t)"))
        if self.chance(0.3) and not self.batch:
            body.append(f"z[t] = softmax({names[-1]}[t] + {names[0]}[t])")
            losses.append("sum(t, norm(z[t])^2)")
        data = "input x : T × N × D" if self.batch else "input x : T × D"
        declared = [f"param {name} : {shape}" for name, shape in self.params.items()]
        return "\n".join(
            [data, *declared, *starts, *(f"{b} for t = {span}" for b in body), f"J = {' + '.join(losses)}"]
        )


def program(rng: np.random.Generator) -> str:
    """A program with a loop."""
    return Writer(rng).write()


def check(text: str, seed: int, steps: bool = False) -> None:
    """Raises AssertionError where a gradient, the code or a step is wrong."""
    net = cr.parse(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parameter may not be used
        derivation = net.derive()
    sizes = {d: s for d, s in SIZES.items() if any(d in map(str, v.dims) for v in net.program.variables.values())}
    report = derivation.verify(seed=seed, sizes={**sizes, "T": 1 + seed % 4})
    assert report.ok, f"{report}\n{text}\n{derivation.text()}"
    values = sample(net.program, sizes, np.random.default_rng(seed), spread=0.5)
    known = evaluate_program(derivation.program, values, sizes)
    step = derivation.compile()
    _, found = step(**{n: values[n] for n in step.names})
    for of, gradient in derivation.backward.gradients.items():
        np.testing.assert_allclose(found[of], known[gradient], rtol=1e-8, atol=1e-10, err_msg=text)
    assert "%" not in derivation.text(), text
    again = cr.parse(str(net))
    assert str(again) == str(net), text
    if steps:
        told = derivation.check_steps(seed)
        assert told.ok or not told.count, f"{told}\n{text}"
        assert "%" not in derivation.text(explain=1), text


def main(count: int, seed: int) -> None:
    """The long run."""
    refused: Counter[str] = Counter()
    for number in range(seed, seed + count):
        text = program(np.random.default_rng(number))
        try:
            check(text, number, steps=number % 4 == 0)
        except ChainruleError as error:
            refused[str(error).splitlines()[0][:90]] += 1
    print(f"{count} programs, {count - sum(refused.values())} right, none wrong")  # noqa: T201
    for reason, times in refused.most_common():
        print(f"  refused {times}: {reason}")  # noqa: T201


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3]))
