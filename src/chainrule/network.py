"""A network: a program with its loss, its names and its sizes. What `parse` and `load` give.

Shapes are those of paper: () a scalar, (D, 1) a column, (1, D) a row, (N, D) a matrix. Arrays may be given with or
without axes of size 1.
"""

from __future__ import annotations

import keyword
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.algebra.sheets import read_as_sheets
from chainrule.calculus.lift import lift
from chainrule.contents import NamedEquation, NameMap, declarations_of, equations_of, text_of
from chainrule.dims import Dim, canonical_name, display_name, format_shape
from chainrule.errors import ChainruleWarning, DimensionError, UnknownNameError, UnsupportedError
from chainrule.language.elaborate import Elaborated
from chainrule.language.renaming import bound_letters, check, known_names, renamed
from chainrule.notation.inner import named_inner
from chainrule.notation.latex import name_to_latex
from chainrule.simplify.forward import shorter_to_differentiate
from chainrule.simplify.matrices import MATRIX_FACTS

if TYPE_CHECKING:
    from chainrule.curvature import Derived
    from chainrule.derivation import Derivation
    from chainrule.jacobians import Hessian, Jacobian

__all__ = ["Network"]


class Network:
    """A program that was read. See `parse`."""

    def __init__(
        self, program: Program, loss: str | None, elaborated: Elaborated | None = None, title: str = ""
    ) -> None:
        read_as_sheets(program)
        self.program = shorter_to_differentiate(program)
        self.loss = loss
        self.title = title
        self.wrt: list[str] | None = None  # what `derive` differentiates by where it is not told
        self.inner: tuple[str, ...] = ()  # arrays that have a name of ours, for want of a matrix notation
        self._elaborated = elaborated
        self._canonical = {canonical_name(n): n for n in program.variables if not is_anonymous(n)}

    @classmethod
    def read(cls, elaborated: Elaborated, title: str = "") -> Network:
        """The network of a program that was read; `notation.inner` says what has a name that the user did not give."""
        read_as_sheets(elaborated.program)  # what has a notation then needs no name
        program, inner = named_inner(elaborated.program)
        net = cls(program, elaborated.loss, elaborated, title)
        net.inner = inner
        return net

    # -- what it holds ---------------------------------------------------------------------------------------------

    def _kind(self, *kinds: str) -> list[str]:
        return [v.name for v in self.program.variables.values() if v.kind in kinds]

    @property
    def parameters(self) -> list[str]:
        """Names declared `param`."""
        return self._kind("param")

    @property
    def inputs(self) -> list[str]:
        """Names declared `input` or `label`."""
        return self._kind("input", "label")

    @property
    def declarations(self) -> NameMap:
        """Everything that is declared rather than defined."""
        return NameMap(declarations_of(self.program))

    @property
    def dims(self) -> NameMap:
        """Name -> shape as on paper, for every name of the user."""
        return NameMap({v.name: v.shape for v in self.program.variables.values() if not is_anonymous(v.name)})

    @property
    def repeats(self) -> list[str]:
        """What is repeated over rows or columns (broadcast), in words."""
        return list(self._elaborated.repeats) if self._elaborated is not None else []

    @property
    def equations(self) -> list[NamedEquation]:
        """The user's equations, in order."""
        return equations_of(self.program, self._elaborated)

    def __str__(self) -> str:
        return text_of(self.program, self._elaborated)

    def __repr__(self) -> str:
        return f"<Network {self.title or self.loss}: {len(self.equations)} equations>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows it."""
        from chainrule.outputs.notebook import network_bundle

        return network_bundle(self)

    def name(self, name: str) -> str:
        """The program's spelling of a name. Raises UnknownNameError."""
        found = self._canonical.get(canonical_name(name))
        if found is None:
            import difflib

            close = difflib.get_close_matches(name, list(self._canonical.values()), 1)
            hint = f"{close[0]}?" if close else f"one of: {', '.join(map(display_name, self._canonical.values()))}"
            raise UnknownNameError(f"the name {name} is not known", hint)
        return found

    def name_by(self, name: str) -> str:
        """The program's spelling of a name that is differentiated by. Raises UnsupportedError for whole numbers."""
        found = self.name(name)
        if "integer" in self.program.variables[found].facts:
            raise UnsupportedError(
                f"{display_name(found)} is integer: between whole numbers there is nothing to differentiate by",
                "the declaration without integer, if it may be any number",
            )
        return found

    def rename(self, names: Mapping[str, str]) -> Network:
        """The same network under other names: {"W": "A", "D_h": "H"} for variables, sizes and functions of its own.

        Any spelling of an old name will do. All are renamed at once, so {"a": "b", "b": "a"} swaps two.
        Raises UnknownNameError for a name that there is not, and LanguageError for a new one that is no name, that is
        in use, or that is a function's.
        """
        return self.renamed(self.check_names(names))

    def check_names(self, names: Mapping[str, str], signals: Iterable[str] = ()) -> dict[str, str]:
        """A renaming in the program's own spelling, for what changes; `signals` are names too. Raises as `rename`."""
        tree = self._elaborated.tree if self._elaborated is not None else None
        known = known_names(self.program, tree) | dict.fromkeys(signals, "signal")
        return check(names, known, bound_letters(tree))

    def renamed(self, names: Mapping[str, str]) -> Network:
        """The network under names that `check_names` gave."""
        if not names:
            return self
        own = {old: new for old, new in names.items() if old in self.inner}
        users = {old: new for old, new in names.items() if old not in own}
        program, loss, elaborated = renamed(self.program, self.loss, self._elaborated, users)
        if elaborated is None:
            return Network(renamed_program(program, Renaming(own)), loss, None, self.title)
        net = Network.read(elaborated, self.title)
        now = dict(zip(self.inner, net.inner, strict=True))  # as they are called after the user's own are renamed
        chosen = {now[old]: own.get(old, old) for old in self.inner if own.get(old, old) != now[old]}
        if chosen:
            again = Network(renamed_program(net.program, Renaming(chosen)), net.loss, elaborated, self.title)
            again.inner = tuple(chosen.get(n, n) for n in net.inner)
            return again
        return net

    # -- values ----------------------------------------------------------------------------------------------------

    def evaluate(self, /, **arrays: Any) -> dict[str, Any]:
        """The value of every name, in float64, by the reference interpreter.

        Raises ArrayError where an array is missing, has a wrong shape, or holds NaN.
        """
        from chainrule.reference import evaluate_program

        values, sizes = self.check_arrays(arrays)
        known = evaluate_program(self.program, values, sizes)
        return {name: known[name] for name in known if not is_anonymous(name)}

    def check_arrays(self, arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
        """Arrays by the program's names without axes of size 1, and the sizes that they set."""
        from chainrule.given import checked_arrays

        return checked_arrays(self.program, {self.name(k): v for k, v in arrays.items()})

    # -- derivatives -----------------------------------------------------------------------------------------------

    def scalar_loss(self) -> str:
        """The loss. Raises DimensionError where the program ends in no scalar."""
        if self.loss is None:
            last = [e.name for e in self.program if not is_anonymous(e.name)][-1]
            shape, new = format_shape(self.program.variables[last].shape), "L" if last == "J" else "J"
            raise DimensionError(
                f"the loss must be a scalar, but the last equation gives {display_name(last)}, which is {shape}",
                f"{new} = sum({display_name(last)}) below it, or `minimize` with the name of a scalar",
                self._elaborated.user_equations[-1].span if self._elaborated is not None else None,
            )
        return self.loss

    def derive(self, wrt: list[str] | tuple[str, ...] | str | None = None) -> Derivation:
        """Every gradient of the loss, with its error signals.

        wrt: names; by default all parameters and inputs (not labels and constants), or what `trace` was told.
        Warns (ChainruleWarning) for a name on which the loss does not depend; its gradient is an exact zero.
        """
        from chainrule.derivation import Derivation

        names = [wrt] if isinstance(wrt, str) else wrt
        if names is None:
            names = (
                self.wrt
                if self.wrt is not None
                else [n for n in self._kind("param", "input") if "integer" not in self.program.variables[n].facts]
            )
        chosen = [self.name_by(n) for n in names]
        derivation = Derivation(self, chosen)
        for name in derivation.backward.zero:
            warnings.warn(derivation.no_dependence(name), ChainruleWarning, stacklevel=2)
        return derivation

    def jacobian(self, wrt: str, of: str | None = None) -> Jacobian:
        """∂of/∂wrt in numerator layout. `wrt` may name one entry: "W[i,j]". `of`: by default the last equation."""
        from chainrule.jacobians import Jacobian

        return Jacobian(self, wrt, of)

    def hessian(self, wrt: str) -> Hessian:
        """∂²J/∂wrt² of the loss."""
        from chainrule.jacobians import Hessian

        return Hessian(self, wrt)

    # -- more than gradients -----------------------------------------------------------------------------------------

    def directional(self, wrt: str | list[str], of: str | None = None) -> Derived:
        """The derivative of `of` (by default the loss) along directions d{v}, v in `wrt`: a Jacobian-vector product."""
        from chainrule.curvature import directional

        names = [wrt] if isinstance(wrt, str) else wrt
        return directional(self, [self.name_by(n) for n in names], self.name(of) if of else self.scalar_loss())

    def hessian_product(self, wrt: str) -> Derived:
        """∂²J/∂wrt² times a direction, the array d{wrt} of the shape of `wrt`; the Hessian is not formed."""
        from chainrule.curvature import hessian_product

        return hessian_product(self, self.name_by(wrt))

    def gauss_newton(self, wrt: str, of: str | None = None) -> Derived:
        """(∂f/∂wrt)ᵀ (∂²J/∂f²) (∂f/∂wrt), over the indices of `wrt` twice.

        f is `of`, by default the name of the first signal (logits).
        """
        from chainrule.gauss_newton import gauss_newton

        return gauss_newton(self, self.name_by(wrt), of)

    def gauss_newton_product(self, wrt: str, of: str | None = None) -> Derived:
        """The Gauss-Newton matrix of a parameter of any shape times the direction d{wrt}; it is not formed."""
        from chainrule.gauss_newton import gauss_newton_product

        return gauss_newton_product(self, self.name_by(wrt), of)

    def fisher(self, wrt: str, of: str | None = None) -> Derived:
        """The Fisher information where it is the Gauss-Newton matrix; refused where the label matters."""
        from chainrule.gauss_newton import fisher

        return fisher(self, self.name_by(wrt), of)

    def fisher_product(self, wrt: str, of: str | None = None) -> Derived:
        """The Fisher information times the direction d{wrt}, not formed; refused where `fisher` is."""
        from chainrule.gauss_newton import fisher_product

        return fisher_product(self, self.name_by(wrt), of)

    def sample_gradients(self, wrt: str, batch: Dim | None = None) -> Derived:
        """Every sample's gradient: an array of one more axis, the first, of length `batch`.

        batch: a size of the network, whose rows are the samples then; or a new name, for that many samples with inputs
        and labels of their own. By default N. Raises UnsupportedError where data are matrices and none has N rows.
        """
        from chainrule.samples import sample_gradients

        return sample_gradients(self, self.name_by(wrt), batch)

    def without_matrix_facts(self, name: str) -> Network:
        """The same network, but nothing ties the entries of `name` to each other.

        A gradient that was shortened with A = Aᵀ holds where A is symmetric only, so it may not be differentiated by A.
        """
        facts = self.program.variables[name].facts
        left = tuple(f for f in facts if f not in MATRIX_FACTS)
        if left == facts:
            return self
        program = self.program.copy()
        program.variables[name] = replace(program.variables[name], facts=left)
        return self.with_program(program)

    def with_program(self, program: Program) -> Network:
        """The same network, its program in another form."""
        net = Network(program, self.loss, self._elaborated, self.title)
        net.inner, net.wrt = self.inner, self.wrt
        return net

    def sample_norms(self, wrt: str, batch: Dim | None = None) -> Derived:
        """The squared norm of every sample's gradient (private training), without forming the gradients.

        batch: as in `sample_gradients`.
        """
        from chainrule.samples import sample_norms

        return sample_norms(self, self.name_by(wrt), batch)

    def kronecker_factors(self, wrt: str, batch: Dim | None = None) -> tuple[Derived, Derived]:
        """K-FAC: the means over a batch of a aᵀ and δᵀ δ for the matrix of a linear layer. batch: as there."""
        from chainrule.samples import kronecker_factors

        return kronecker_factors(self, self.name_by(wrt), batch)

    def forward(
        self, names: list[str], batch: Dim | bool | None = None, dtype: str = "float64", target: str = "numpy"
    ) -> Any:
        """The compiled forward pass: a function of the arrays that gives {name: array}. `batch` as in `compile`."""
        from chainrule.compilation import compile_forward

        chosen = [self.name(n) for n in names]
        if batch is not None and batch is not False:
            net = self.lift("N" if batch is True else batch, "sum", rename=False)
            return compile_forward(target, net, chosen, dtype)
        return compile_forward(target, self, chosen, dtype)

    def lift(self, batch: Dim = "N", reduction: str = "sum", rename: bool = True) -> Network:
        """The same network for a batch: every vector that depends on data becomes a row per sample.

        reduction: sum or mean of the loss over samples. rename: x becomes X where that is free.
        """
        self.check_batch(batch)
        program, _ = lift(self.program, self.scalar_loss(), batch, reduction, rename)
        return Network(program, self.loss, None, self.title)

    def check_batch(self, batch: Dim) -> None:
        """Raises DimensionError where a batch cannot have this size."""
        if isinstance(batch, str) and canonical_name(batch) in self._canonical:
            raise DimensionError(f"{batch} is a name of the program already", "another name for the batch size")
        if isinstance(batch, str) and (not batch.isidentifier() or keyword.iskeyword(batch)):
            raise DimensionError(f"{batch!r} cannot be the batch size", "a name such as N, or a whole number")
        if type(batch) not in (str, int):
            raise DimensionError(f"{batch!r} cannot be the batch size", "a name such as N, or a whole number")
        if isinstance(batch, int) and batch < 1:
            raise DimensionError(f"a batch size is at least 1, not {batch}", "a name such as N")
        if batch in {d for v in self.program.variables.values() for d in v.dims}:
            raise DimensionError(f"{batch} is a size of the program already", "another name for the batch size")

    def latex_name(self, name: str) -> str:
        """A name in LaTeX."""
        return name_to_latex(name)
