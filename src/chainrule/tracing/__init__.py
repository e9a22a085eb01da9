"""NumPy functions in: an unmodified function runs once on traced arrays, and what it did becomes a program.

`record` runs it; `array` is what it sees; `ufuncs`, `functions`, `linear` and `shaping` are the tables of what NumPy
offers; `tracer` keeps the program; `frames` knows the user's lines and variable names. To support another NumPy
function, add it to one of the tables.
"""

from chainrule.tracing.record import record

__all__ = ["record"]
