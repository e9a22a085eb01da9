"""Conformance: published derivatives, each recomputed from a NumPy function and compared in float64.

A file of cases (`cases`) is run through `chainrule.trace` (`judge`), and through the matlab dialect where a case is
also written as plain text (`text`). Nothing here knows any one case.

>>> from chainrule.conformance import run
>>> report = run("cases.jsonl")  # doctest: +SKIP
>>> print(report.count("ok"), report.ok)  # doctest: +SKIP
"""

from chainrule.conformance.judge import Outcome, judge
from chainrule.conformance.run import Conformance, run

__all__ = ["Conformance", "Outcome", "judge", "run"]
