"""`import chainrule` stays light: whatever is large or optional loads when it is first needed.

The check runs in a fresh interpreter, because this one has loaded half of the list already.
"""

import json
import subprocess
import sys

LATE = ("jax", "lark", "matplotlib", "rich", "sklearn", "torch", "typer")


def test_import_loads_nothing_heavy() -> None:
    program = "import chainrule, json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(finished.stdout))
    assert "chainrule" in loaded
    assert loaded.isdisjoint(LATE), f"import chainrule also loads {sorted(loaded.intersection(LATE))}"
