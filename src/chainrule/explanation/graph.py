"""Who uses whom: the chain rule's paths from the loss to a name, over the equations that people see.

The inside of a definition (exp(θ) and its sum in softmax(θ)) is no station of a path; a path goes from ŷ to θ at once.
A path starts at an *anchor*: the loss, or a name whose signal is known. An unnamed station where several ways meet or
part is an anchor too, so that nothing is told twice and the number of paths stays linear.
"""

from __future__ import annotations

from chainrule.algebra.loops import loop_members
from chainrule.algebra.program import Program

__all__ = ["Graph", "Path"]

# anchor, station, …, target
Path = tuple[str, ...]


class Graph:
    """The equations between one target and the loss."""

    def __init__(self, program: Program, loss: str, target: str, signals: set[str]) -> None:
        self.program = program
        self.loss = loss
        self.target = target
        self.signals = signals  # names whose signal is known
        self._links = program.links()
        self._needed = self._links.needed(loss)
        self._loops = loop_members(program) if self._links.lags else {}
        self._depends: dict[str, bool] = {target: True}

    def _users_of(self, name: str) -> list[str]:
        """The equations on the way to the loss that use a name, from the loss backwards, as the engine works."""
        return [user for user in self._links.users.get(name, ()) if user in self._needed]

    def _depends_on_target(self, name: str) -> bool:
        """True where the target goes into a name; nothing that stands before the target can depend on it."""
        start = self._links.place.get(self.target, -1)
        stack = [name]
        while stack:
            at = stack[-1]
            place = self._links.place.get(at, -1)
            if at in self._depends or place <= start:
                self._depends.setdefault(at, False)
                stack.pop()
                continue
            arguments = self.program.equations[at].arguments
            if at in self._links.lags and at in self._loops:
                arguments = arguments[1:]  # what goes around a loop has been told already: its signal is known
            waiting = [a for a in arguments if a not in self._depends]
            if not waiting or any(self._depends.get(a) for a in arguments):
                self._depends[at] = any(self._depends.get(a) for a in arguments)
                stack.pop()
            else:
                stack.append(waiting[-1])
        return self._depends[name]

    def users(self, name: str) -> list[str]:
        """The stations that use a name, directly or inside a definition."""
        found: dict[str, None] = {}
        for user in self._users_of(name):
            found.update(dict.fromkeys(self.users(user) if user in self.program.interior else [user]))
        return list(found)

    def between(self, of: str, wrt: str) -> set[str]:
        """`of`, `wrt` and the inside of the definitions between them."""
        found = {of, wrt}

        def visit(name: str) -> bool:
            hit = False
            for user in self._users_of(name):
                if user == of:
                    hit = True
                elif user in self.program.interior and visit(user):
                    found.add(user)
                    hit = True
            return hit

        visit(wrt)
        return found

    def uses(self, name: str) -> list[str]:
        """The stations that a name uses, on the way to the target."""
        found: dict[str, None] = {}
        for argument in dict.fromkeys(self.program.equations[name].arguments):
            if self._depends_on_target(argument):
                inside = argument in self.program.interior
                found.update(dict.fromkeys(self.uses(argument) if inside else [argument]))
        return list(found)

    def is_anchor(self, name: str) -> bool:
        """True where a path may start: the loss, a known signal, or an unnamed station where two ways meet or part."""
        if name == self.loss or name in self.signals or name == self.target:  # the target: at another step of its loop
            return True
        if name in self._links.lags:  # an earlier step is on the way from what uses it
            return False
        return len(self.users(name)) > 1 or len(self.uses(name)) > 1

    def paths(self) -> list[Path]:
        """Every path from an anchor to the target."""
        return self._paths(self.target)

    def _paths(self, name: str) -> list[Path]:
        out: list[Path] = []
        for user in self.users(name):
            if self.is_anchor(user):
                out.append((user, name))
            else:
                out += [(*path, name) for path in self._paths(user)]
        return out
