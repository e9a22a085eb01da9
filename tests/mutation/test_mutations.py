"""The check on trial: mistakes in right formulas must be found and named, right formulas never called wrong.

The formulas, the mistakes and the judgement of both come from this folder alone. By default a fixed choice is tried,
spread over all programs, kinds and rules; the long tests try everything.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

import pytest

import chainrule as cr
from chainrule.errors import ChainruleError
from mutation.mistakes import KINDS
from mutation.mutate import Mutant, mutants, share, twice_wrong
from mutation.oracle import subject
from mutation.places import right_formulas
from mutation.programs import PROGRAMS
from mutation.rewrite import Rewritten, rewritten
from mutation.rules import RULES

NAMED = 0.95  # of all mutants
EACH = 0.8  # of each kind, so that none can hide behind the common ones
SHARES = 8


def verdicts(some: Iterable[Mutant]) -> tuple[str, list[str], Counter[str], Counter[str]]:
    """Check the mutants. Gives a table, those that were taken for right or refused, and all and the named by kind."""
    missed, misnamed = [], []
    total: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for m in some:
        total[m.kind] += 1
        try:
            c = cr.check(subject(m.program).net, m.claim, layout=m.layout)
        except ChainruleError as error:
            missed.append(f"{m}: raised {error}")
            continue
        if c.ok:
            missed.append(f"{m}: right, {c.diagnosis}")
        elif c.kind in m.accepted:
            named[m.kind] += 1
        else:
            misnamed.append(f"{m.kind}: {m}: said {c.kind}, {c.diagnosis}")
    lines = [f"  {kind:14}{total[kind]:5} mutants {named[kind]:5} named" for kind in total]
    table = "\n".join([*lines, *(f"  misnamed {one}" for one in misnamed)])
    sys.stdout.write(f"\n{table}\n")
    return table, missed, total, named


@pytest.mark.parametrize("number", range(SHARES))
def test_mistakes_are_found_and_named(number: int) -> None:
    table, missed, total, named = verdicts(share(number, SHARES))
    assert total.total() > 50
    assert len(total) >= 8
    assert not missed
    assert named.total() >= NAMED * total.total(), table


@pytest.mark.parametrize("number", range(SHARES))
def test_two_mistakes_do_not_hide_each_other(number: int) -> None:
    some = [m for k, name in enumerate(PROGRAMS) if k % SHARES == number for m in twice_wrong(name, 4)]
    assert len(some) == 20
    assert not verdicts(some)[1]


@pytest.mark.parametrize("number", range(SHARES))
def test_equal_formulas_are_never_called_wrong(number: int) -> None:
    some = [r for k, name in enumerate(PROGRAMS) if k % SHARES == number for r in rewritten(name, 8, 2)]
    assert len(some) == 40
    assert not wrongly_refused(some)


def wrongly_refused(some: Iterable[Rewritten]) -> list[str]:
    out = []
    for one in some:
        c = cr.check(subject(one.program).net, one.claim, layout=one.layout)
        if not c.ok:
            out.append(f"{one}: said {c.kind}, {c.diagnosis}")
    return out


def test_there_are_forty_programs() -> None:
    assert len(PROGRAMS) == len(set(PROGRAMS.values())) == 40


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_formulas_that_are_spoiled_are_right(name: str) -> None:
    s = subject(name)
    assert all(s.right(s.values(place.node), place.of, None) for place in right_formulas(s))


@pytest.mark.long
def test_all_kinds_of_mistakes_are_made() -> None:
    made = Counter(m.kind for name in PROGRAMS for m in mutants(name))
    assert set(made) == set(KINDS)
    assert min(made.values()) >= 10
    assert made.total() > 2500
    assert all(len(m.accepted) <= 2 for name in PROGRAMS for m in mutants(name))


@pytest.mark.long
def test_every_mistake_is_found_and_named() -> None:
    table, missed, total, named = verdicts(m for name in PROGRAMS for m in mutants(name))
    assert not missed
    assert named.total() >= NAMED * total.total(), table
    assert all(named[kind] >= EACH * total[kind] for kind in total), table


@pytest.mark.long
def test_no_equal_formula_is_called_wrong() -> None:
    some = [r for name in PROGRAMS for r in rewritten(name)]
    assert len(some) > 3000
    assert set(RULES) <= {r.rule for r in some}
    assert not wrongly_refused(some)
