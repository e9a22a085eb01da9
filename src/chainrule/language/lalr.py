"""The LALR(1) machine that runs Lark's tables: shift, reduce, and build the tree while doing so.

Beside every value it keeps where its text begins and ends, brackets included, so that carets in error messages
cover what the user would underline. It has no recursion: any input ends in a tree or in `Stuck`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.language import tables
from chainrule.language.tokens import Token

__all__ = ["Action", "Stuck", "bind", "run"]

Action = Callable[[Any, list[Any], int, int], Any]  # context, values, begin and end of the text


class Stuck(Exception):
    """No rule takes token number `index` (which may be one behind the last); `expected` kinds would go on."""

    def __init__(self, index: int, expected: frozenset[str]) -> None:
        super().__init__(index)
        self.index = index
        self.expected = expected


def bind(actions: Mapping[str, Action]) -> list[tuple[str, int, Action | None]]:
    """The grammar's rules with the functions that carry them out."""
    return [(made, size, None if name is None else actions[name]) for made, size, name in tables.RULES]


def run(rules: Sequence[tuple[str, int, Action | None]], tokens: Sequence[Token], start: str, context: object) -> Any:
    """What the actions make of `tokens`, a text of the rule `start`."""
    actions, gotos, end_state = tables.ACTIONS, tables.GOTO, tables.END[start]
    state = tables.START[start]
    states, values, begins, ends = [state], [], [], []
    last = tokens[-1].end
    for index, token in enumerate((*tokens, Token("$END", "", last, last))):
        kind = token[0]
        while True:
            row = actions[state]
            if kind not in row:
                raise Stuck(index, frozenset(row))
            step = row[kind]
            if step >= 0:
                state = step
                states.append(state)
                values.append(token)
                begins.append(token[2])
                ends.append(token[3])
                break
            made, size, action = rules[~step]
            if action is None:
                states.pop()
            elif size == 1:
                states.pop()
                values[-1] = action(context, [values[-1]], begins[-1], ends[-1])
            elif size:
                begin, end = begins[-size], ends[-1]
                value = action(context, values[-size:], begin, end)
                del states[-size:], values[-size:], begins[-size:], ends[-size:]
                values.append(value)
                begins.append(begin)
                ends.append(end)
            else:
                values.append(action(context, [], token[2], token[2]))
                begins.append(token[2])
                ends.append(token[2])
            state = gotos[states[-1]][made]
            if state == end_state and kind == "$END":
                return values[-1]
            states.append(state)
    raise AssertionError("the tables accept no text")  # pragma: no cover
