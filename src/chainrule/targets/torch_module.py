"""The module of the PyTorch target: parameters with a start that suits what they do in the program.

A parameter whose axes are summed over where it is first used (a weight) starts normal with variance 2 / fan-in, fan-in
being the sizes that are summed; one that only multiplies entry by entry (a gain) starts at 1, one that is only added (a
bias) at 0. He, Zhang, Ren, Sun 2015.
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.algebra.program import Program
from chainrule.dims import Dim
from chainrule.sizes import spoken, symbols_of
from chainrule.targets.names import Names
from chainrule.targets.passes import TYING
from chainrule.targets.text import wrapped

__all__ = ["module_lines", "start_of"]


def start_of(program: Program, name: str) -> tuple[str, tuple[Dim, ...]]:
    """("normal", the sizes that are summed), ("ones", ()) or ("zeros", ())."""
    variable = program.variables[name]
    for equation in program:
        if name not in equation.arguments:
            continue
        if not isinstance(equation.value, dict):
            return "normal", variable.dims[-1:]
        for factors, bound in equation.value:
            for atom, _ in factors:
                if atom[1] == name or (isinstance(atom[1], tuple) and name in [n for n, _ in atom[1]]):
                    summed = tuple(index[1] for index in dict.fromkeys(atom[2]) if index in bound)
                    if summed and len(factors) > 1:
                        return "normal", summed
                    arrays = [a for a, _ in factors if a[0] not in ("#", "n")]
                    return ("ones", ()) if len(arrays) > 1 or atom[0] else ("zeros", ())
    return "zeros", ()


def module_lines(program: Program, arguments: Mapping[str, str], loss: str, sizes: Mapping[str, str]) -> list[str]:
    """The text of the class: parameters as nn.Parameter, everything else as arguments of forward."""
    import torch

    parameters = [name for name in arguments if program.variables[name].kind == "param"]
    others = [name for name in arguments if name not in parameters]
    names = Names(dir(torch.nn.Module()))
    fields = {name: names.take(name) for name in parameters}
    dims = dict.fromkeys(s for name in parameters for d in program.variables[name].dims for s in symbols_of(d))
    local = {dim: sizes[dim] for dim in dims}
    takes = ", ".join(arguments[name] for name in others)
    known = f"parameters {', '.join(fields.values())}; " if fields else ""
    lines = ["class Network(torch.nn.Module):"]
    lines += [f"    {line}" for line in wrapped(f'"""{loss} as a module: {known}network({takes}) is the loss."""')]
    head = "".join(f"{local[d]}, " for d in dims)
    lines += ["", f"    def __init__(self, {head}device=None, dtype=None):", "        super().__init__()"]
    for name in parameters:
        size = ", ".join(spoken(d, local.__getitem__) for d in program.variables[name].dims) or "()"
        lines.append(
            f"        self.{fields[name]} = torch.nn.Parameter(torch.empty({size}, device=device, dtype=dtype))"
        )
    if parameters:
        lines += ["        self.reset_parameters()", "", "    def reset_parameters(self):"]
        lines += ['        """Weights after He et al. (2015), gains 1, biases 0: change it to taste."""']
        for name in parameters:
            lines += _start(program, name, fields[name])
    lines += ["", f"    def forward(self, {takes}):" if takes else "    def forward(self):"]
    call = ", ".join(f"self.{fields[n]}" if n in fields else arguments[n] for n in arguments)
    return [*lines, f"        return Step.apply({call})"]


def _start(program: Program, name: str, field: str) -> list[str]:
    variable = program.variables[name]
    declared = [fact for fact in variable.facts if fact in TYING]
    note = f"  # declared {', '.join(declared)}: it must start so" if declared else ""
    kind, summed = start_of(program, name)
    if kind != "normal":
        word = "ones_" if kind == "ones" or "positive" in variable.facts else "zeros_"
        return [f"        torch.nn.init.{word}(self.{field}){note}"]
    fan = " * ".join(f"self.{field}.shape[{variable.dims.index(d)}]" if isinstance(d, str) else str(d) for d in summed)
    return [
        f"        torch.nn.init.normal_(self.{field}, std=(2 / {fan if len(summed) == 1 else f'({fan})'}) ** 0.5){note}"
    ]
