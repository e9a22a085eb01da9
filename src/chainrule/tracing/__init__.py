"""NumPy functions in: an unmodified function runs once on traced arrays, and what it did becomes a program.

`record` runs it; `array` is what it sees; `tables` say what stands for each function of NumPy, and the modules fill
them by families (`ufuncs`, `elementary`, `comparisons`, `operators`; `sums`, `extremes`, `norms`, `choices`,
`creating`; `linear`, `matrices`, `spectra`; `shaping`, `joining`, `parts`, `indexing`, `writing`);
`tracer` keeps the program, and `recognition` sees what a formula is; `frames` knows the user's lines and variable
names. To support another function of NumPy, add it to its family.
"""

from chainrule.tracing.record import record

__all__ = ["record"]
