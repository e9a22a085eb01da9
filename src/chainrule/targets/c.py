"""The C target: one C99 file per program, built by the system's compiler and called without a detour.

`compile_c` gives a `CStep`. The text is `chainrule.targets.c_source`'s, what is computed together `plan.fusion`'s.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from typing import Any

import numpy as np

from chainrule.algebra.program import Program
from chainrule.dims import canonical_name, format_shape
from chainrule.errors import ArrayError, ChainruleError, UnsupportedError
from chainrule.plan.memory import given_sizes
from chainrule.plan.relations import STRUCTURAL
from chainrule.plan.wide import PRECISE_OPTION, Precise
from chainrule.sizes import is_derived, settle, value_of
from chainrule.targets.arrays import ArrayChecker
from chainrule.targets.c_blas import Blas, choose_blas
from chainrule.targets.c_build import build
from chainrule.targets.c_builtin import FASTCALL, NOARGS, Bound, builtin, capsule
from chainrule.targets.c_entry import NO_MEMORY, NOT_FINITE, SUMS_FAIL, entry
from chainrule.targets.c_expressions import has_function
from chainrule.targets.c_glue import glue_text
from chainrule.targets.c_operations import has_operation
from chainrule.targets.c_pool import pool
from chainrule.targets.c_source import CSource, c_source
from chainrule.targets.failures import may_fail, not_there
from chainrule.targets.held_facts import HOLDS, SUMS
from chainrule.targets.registry import Compiled, Target, register

__all__ = ["CStep", "compile_c"]

_Shapes = tuple[tuple[int, ...], ...]
_QUICK = 65536  # bytes of arrays: a call on less is over before another thread could make use of the GIL


class CStep(Compiled):
    """A compiled program: `step(**arrays)` gives (loss, {name: gradient}), or {name: array} where there is no loss.

    source: the C file.  names: the arrays that it needs.  blas: which BLAS it calls.  report: sizes of embedded code.
    Results belong to the caller. Two threads may call one step. `bind` prepares a call on arrays that stay the same.
    Arrays that are not contiguous, or of a type that converts without loss, are copied first.

    Raises ArrayError (a ValueError): a missing or unknown name, a shape or dtype that does not fit, NaN in the data.
    """

    def __init__(self, source: CSource, blas: Blas, threads: int) -> None:
        self.source = source.text
        self.plan = source.plan
        self.names = source.plan.arguments
        self.dtype = source.dtype
        self.blas = blas.name
        self.threads = threads
        self.report = source.report
        self._made = source
        program = source.plan.program
        declared = tuple(n for n in program.variables if n not in program.equations)
        self._checker = ArrayChecker(program.variables, self.names, declared, source.dtype)
        self._keys = tuple(source.keys[n] for n in source.results)
        self._result_dims = tuple(program.variables[n].dims for n in source.results)
        self._shapes: _Shapes = ((),) * len(self._keys)  # of the last call's results: the next one's, mostly
        self._type = np.dtype(source.dtype)
        self._failing = may_fail(source.plan) if source.loss is not None else ()
        self._linked = blas
        self._library: ctypes.PyDLL | None = None
        self._call: Callable[..., Any] = self._first_call

    def build(self) -> ctypes.PyDLL:
        """The library, compiled now if it is not there yet: the first call does it, and needs a compiler."""
        if self._library is None:
            blas = self._linked
            if self.threads == 1 or self._made.work:  # each thread has its own products, or there is one
                blas = blas.for_step(self._made.inner)
            flags = (*blas.flags, f"-DBLAS_THREADS={blas.threads}") if blas.threads else blas.flags
            library = build(self.source + glue_text(self._made, self.threads), flags, blas.links)
            library.chainrule_workspace.restype = ctypes.c_int64
            if self._made.work:
                ctypes.c_void_p.in_dll(library, "chainrule_pool").value = pool()
            self._entry = entry(self.dtype)
            self._step = ctypes.addressof(ctypes.c_char.in_dll(library, "chainrule_step"))
            self._call = builtin(self._entry, "chainrule_call", FASTCALL, (np.ndarray, capsule(self._step)))
            self._library = library
        return self._library

    def _first_call(self, *arrays: Any) -> Any:
        self.build()
        return self._call(*arrays)

    def __call__(self, /, **given: Any) -> Any:
        """Run the step on NumPy arrays by name."""
        arrays = self._checker.by_name(given)
        if self._made.loss is not None and self._checker.beyond_sums:
            return self._adapted(arrays)  # the C code looks at sums alone
        results = [np.empty(shape, self._type) for shape in self._shapes]
        return self._judged(arrays, self._call(*arrays, *results), results)

    def _judged(self, arrays: list[Any], loss: Any, results: list[Any]) -> Any:
        """What a call gives back; where the code refused the arrays, a closer look at them."""
        if type(loss) is int and loss != NOT_FINITE:
            return self._adapted(arrays)
        if self._made.loss is None:
            return dict(zip(self._keys, results, strict=True))
        if type(loss) is int:
            raise self._refusal(loss, arrays)
        return loss, self._there(arrays, dict(zip(self._keys, results, strict=True)))

    def _there(self, arrays: list[Any], values: dict[str, Any]) -> dict[str, Any]:
        """The gradients. Raises ArrayError where a matrix in them has no value, which the loss may not show."""
        error = not_there(self._checker, arrays, values, self._failing) if self._failing else None
        if error is not None:
            raise error
        return values

    def _prepared(self, arrays: list[Any]) -> tuple[list[Any], _Shapes, _Shapes, dict[str, int]]:
        """Arrays as the code takes them, the shapes they were given in, the results', and the sizes.

        Raises ArrayError for what does not fit.
        """
        checked = self._checker.check(arrays)
        used = list(arrays)
        for position, shape, dtype in checked.changes:
            array = np.asarray(used[position], dtype=dtype or self._type)
            used[position] = array if shape is None else array.reshape(shape)
        used = [np.require(array, self._type, ("C", "A")) for array in used]
        sizes: dict[str, int] = {}
        for name, array in zip(self.names, used, strict=True):
            for dim, n in zip(self.plan.program.variables[name].dims, array.shape, strict=True):
                if not n:
                    raise ArrayError(
                        f"{name} is empty: its shape is {array.shape}", "at least one entry along each axis"
                    )
                if isinstance(dim, str):
                    sizes[dim] = n
                    known = self._made.known.get(dim, n)
                    if known != n:
                        raise ArrayError(
                            f"{name} has {dim} = {n}, but the step was compiled for {dim} = {known}",
                            f"compile without sizes, or with {dim}={n}",
                        )
        for dim, n in self._made.known.items():
            sizes.setdefault(dim, n)
        plain = {dim: n for dim, n in sizes.items() if not is_derived(dim)}
        clash = settle([(dim, n) for dim, n in sizes.items() if is_derived(dim)], plain)
        sizes |= plain
        if clash is not None:
            raise ArrayError(f"sizes do not fit each other: {clash[0]} is {clash[1]}", "arrays of one set of sizes")
        shapes = self._shapes = tuple(tuple(value_of(d, sizes) for d in dims) for dims in self._result_dims)
        if self.plan.chunks is not None:
            self._made.workspace.rows_at_once(sizes)  # refuses a memory that is too small
        return used, checked.shapes, shapes, sizes

    def _adapted(self, arrays: list[Any]) -> Any:
        """A call with arrays that are reshaped, converted or copied first; gradients go back to the shapes given."""
        used, given_shapes, shapes, _ = self._prepared(arrays)
        if self._made.loss is not None and self._checker.stated:
            self._checker.check_facts(used)
        results = [np.empty(shape, self._type) for shape in shapes]  # another thread may have set other ones
        loss = self._call(*used, *results)
        if type(loss) is int:
            raise self._refusal(loss, used)
        values = dict(zip(self._keys, results, strict=True))
        given = dict(zip(self.names, given_shapes, strict=True))
        for key, array in values.items():
            if key in given and array.shape != given[key]:
                values[key] = array.reshape(given[key])
        if self._made.loss is None:
            return values
        return loss, self._there(used, values)

    def _refusal(self, code: int, arrays: list[Any]) -> Exception:
        """Why the code refused arrays that looked right."""
        if code == NOT_FINITE:
            return self._checker.explain_not_finite(arrays, f"the loss {self._made.loss}")
        if code == NO_MEMORY:
            return MemoryError("no memory for the workspace of the step")
        if code == SUMS_FAIL:
            if not all(np.isfinite(array).all() for array in arrays):
                return self._checker.explain_not_finite(arrays, f"the loss {self._made.loss}")
            return ArrayError("rows that are declared to sum to 1 do not", "one-hot rows, or leave out the fact")
        return ChainruleError(f"the compiled code refuses array {code}: this is a mistake in chainrule")

    def bind(self, /, out: Mapping[str, Any] | None = None, **given: Any) -> Callable[[], Any]:
        """A function without arguments that runs the step on these very arrays: `run()` gives (loss, {name: gradient}).

        Inputs are read anew at each call; results are written into `out` where given, else into arrays made here, and
        **each call overwrites them**. Arrays must be contiguous and of the step's dtype: nothing is copied. One `run`
        belongs to one thread at a time. It raises ValueError where rows that are declared to sum to 1 do not.
        """
        library = self.build()
        arrays = self._checker.by_name(given)
        for name, array in zip(self.names, arrays, strict=True):
            fits = isinstance(array, np.ndarray) and array.dtype == self._type and array.flags.c_contiguous
            if not fits or not array.flags.aligned:
                raise ArrayError(
                    f"{name} cannot be bound: it must be a contiguous array of {self.dtype}",
                    f"{name} = np.ascontiguousarray({name}, np.{self.dtype}), and keep that one",
                )
        used, _, shapes, sizes = self._prepared(arrays)
        targets = []
        keys = {canonical_name(key): key for key in self._keys}
        wanted = {keys.get(canonical_name(name), name): array for name, array in (out or {}).items()}
        for name in wanted:
            if name not in self._keys:
                raise ArrayError(f"{name} is not a result of this step", "its results: " + ", ".join(self._keys))
        for key, shape in zip(self._keys, shapes, strict=True):
            array = wanted.get(key)
            if array is None:
                array = np.empty(shape, self._type)
            elif (
                type(array) is not np.ndarray
                or array.shape != shape
                or array.dtype != self._type
                or not array.flags.carray
            ):
                raise ArrayError(
                    f"the result {key} cannot be bound: it must be a contiguous, writable array {shape} of {self.dtype}"
                )
            targets.append(array)
        for position, array in enumerate(targets):
            for other in (*used, *targets[:position]):
                if np.shares_memory(array, other):
                    raise ArrayError(f"the result {self._keys[position]} shares memory with another array")
        values = dict(zip(self._keys, targets, strict=True))
        self._checker.check_facts(used)
        numbers = (ctypes.c_size_t * max(1, len(self._made.sizes)))(*(sizes[d] for d in self._made.sizes))
        workspace = np.empty(library.chainrule_workspace(numbers) + 16, self._made.inner)
        start = workspace.ctypes.data
        start += -start % 64
        pointers = (ctypes.c_void_p * (len(used) + len(targets)))(*(a.ctypes.data for a in (*used, *targets)))
        total = sum(a.nbytes for a in (*used, *targets))
        record = Bound(
            self._step, int(total < _QUICK), ctypes.addressof(numbers), ctypes.addressof(pointers), start,
        )  # fmt: skip
        own = (
            capsule(ctypes.addressof(record)),
            values,
            record,
            numbers,
            pointers,
            workspace,
            used,
            targets,
        )
        return builtin(self._entry, "chainrule_bound", NOARGS, own)

    def memory_report(self, /, **sizes: int) -> str:
        """What the workspace takes, beside arguments and results, for sizes such as N=2048; and what chunks save."""
        known = {**given_sizes(self.plan.program, sizes), **self._made.known}
        missing = [dim for dim in self._made.sizes if dim not in known]
        if missing:
            raise ArrayError(f"the memory depends on {', '.join(missing)}", f"{missing[0]}=512")
        return self._made.workspace.report(known)

    def __repr__(self) -> str:
        shapes = self.plan.program.variables
        arguments = ", ".join(f"{name}: {format_shape(shapes[name].shape)}" for name in self.names)
        return f"CStep({arguments}; {self.dtype}, {self.blas})"


def _quick_call(source: CSource) -> Callable[..., Any] | None:
    """`CStep.__call__` for the arrays of this program, as text: half the time of one that works for all.

    None where a name of the program is no identifier of Python.
    """
    names = source.plan.arguments
    if not names or not all(name.isidentifier() and not iskeyword(name) and name[0] != "_" for name in names):
        return None
    results = [f"_r{k}" for k in range(len(source.results))]
    shapes = "".join(f"_s{k}, " for k in range(len(results))) or "_"
    made = "".join(f"    {r} = _empty(_s{k}, _type)\n" for k, r in enumerate(results))
    keys = ", ".join(f"{source.keys[name]!r}: {r}" for name, r in zip(source.results, results, strict=True))
    returned = f"_loss, {{{keys}}}" if source.loss is not None else f"{{{keys}}}"
    given = ", ".join(names)
    # what is missing or of another kind is no array to the C code, which then says so: nothing is looked at twice
    text = (
        f"def __call__(_self, *, {', '.join(f'{name}=_missing' for name in names)}, **_others):\n"
        f"    {shapes}= _self._shapes\n{made}"
        f"    _loss = _self._call({', '.join([*names, *results])})\n"
        f"    if _kind(_loss) is not _int and not _others:\n"
        f"        return {returned}\n"
        f"    _given = _dict(_zip({names!r}, ({given},)), **_others)\n"
        "    if _others or _any(_a is _missing for _a in _given.values()):\n"
        "        return _general(_self, **{_n: _a for _n, _a in _given.items() if _a is not _missing})\n"
        f"    return _self._judged([{given}], _loss, [{', '.join(results)}])\n"
    )
    space: dict[str, Any] = {
        "_empty": np.empty, "_missing": object(), "_general": CStep.__call__, "_type": np.dtype(source.dtype),
        "_kind": type, "_int": int, "_dict": dict, "_zip": zip, "_any": any,
    }  # fmt: skip
    try:
        exec(text, space)
    except SyntaxError:  # two names that are one to Python
        return None
    function: Callable[..., Any] = space["__call__"]
    function.__doc__ = CStep.__call__.__doc__
    return function


def compile_c(
    program: Program,
    outputs: Sequence[str],
    *,
    loss: str | None = None,
    gradients: Mapping[str, str] | None = None,
    dtype: str = "float32",
    sizes: Mapping[str, int] | None = None,
    threads: int = 1,
    embedded: bool = False,
    blas: str = "auto",
    chunk: int | Mapping[str, int] | None = None,
    memory: str | int | None = None,
    precise: Precise = True,
    comments: Mapping[str, str] | None = None,
    name: str | None = None,
) -> CStep:
    """Compile the equations `outputs` of a program, and what they need, to C.

    loss, gradients, dtype, comments, name: as for NumPy (`chainrule.targets.numpy.compile_numpy`).
    sizes: numbers for some or all sizes; small programs of known sizes become plain loops that call no BLAS.
    threads: that do a step together (`chainrule.plan.teams`); where it has operations on whole arrays, of the BLAS.
    blas: "auto" (OpenBLAS where it is installed, and products of our own where they are faster), "openblas" or "none".
    chunk, memory: go through a row-like index so many rows at a time, or as many as keep the workspace within
    `memory="64MB"` (`chainrule.plan.chunking`); `step.memory_report(N=2048, …)` says what that saves.
    embedded: all sizes given, static memory, no BLAS, nothing but math.h; `step.report` says what it takes.
    precise: in float32, compute in float64 what would lose digits and has them (`plan.wide`); not where it is embedded.
        "all": everything, products too, there as well: the workspace then has arguments and results as float64.
    Raises UnsupportedError for what has no C code, and where there is no compiler.
    """
    if type(threads) is not int or threads < 1:
        raise UnsupportedError(f"threads={threads!r} must be a whole number from 1 on")
    choose_blas(blas)  # one that is not there is refused even where none is needed
    source = c_source(
        program, outputs, loss=loss, gradients=gradients, dtype=dtype, sizes=sizes, embedded=embedded, chunk=chunk,
        memory=memory, threads=threads, precise=precise, comments=comments, name=name,
    )  # fmt: skip
    facts = {fact for name in source.plan.arguments for fact in program.variables[name].facts}
    looks = source.loss is not None and ((HOLDS.keys() - SUMS) & facts or may_fail(source.plan))
    quick = None if looks else _quick_call(source)
    kind = CStep if quick is None else type("CStep", (CStep,), {"__call__": quick, "__doc__": CStep.__doc__})
    step: CStep = kind(source, choose_blas(blas) if "CBLAS" in source.text else Blas("none"), threads)
    return step


def _spells(kind: str, name: str) -> bool:
    """True where there is C code for a step, an elementwise function or an operation."""
    if kind == "step":
        return True
    return has_function(name) if kind == "function" else name in STRUCTURAL or has_operation(name)


register(
    Target(
        "c",
        "one C99 file without dependencies; float32 by the fastest BLAS present",
        compile_c,
        _spells,
        options={
            "sizes": 'numbers for sizes, such as {"D_h": 128}: known sizes make small programs plain loops.',
            "threads": "that do a step together; small steps are done by one.",
            "blas": "auto, openblas or none.",
            "chunk": 'rows at a time of a row-like index: 512, or {"N": 512}',
            "memory": 'rows at a time so that the workspace stays within this: "64MB"',
            "precise": PRECISE_OPTION + ".",
            "embedded": "all sizes known, static memory, no BLAS: for a device without an operating system.",
        },
        suffix=".c",
    )
)
