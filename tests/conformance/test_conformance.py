"""Published derivatives: every case through `trace`, in float64, at several points. None may be wrong.

What is still refused is listed with its reason, strictly: a case that begins to work must leave the list.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from chainrule.cli import app
from chainrule.conformance import judge, run
from chainrule.conformance.cases import read_cases
from chainrule.conformance.text import symbols
from chainrule.errors import LanguageError

FILE = Path(__file__).with_name("cases.jsonl")
CASES = {case.id: case for case in read_cases(FILE)}
REFUSED: dict[str, str] = {}  # case -> what the engine lacks


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.xfail(reason=f"{REFUSED[name]} is refused", raises=NotImplementedError, strict=True)
            if name in REFUSED
            else [],
        )
        for name in CASES
    ],
)
def test_case(name):
    if name == "pt_gelu":
        pytest.importorskip("scipy")
    outcome = judge(CASES[name])
    assert outcome.status != "wrong", outcome.reason
    assert outcome.text.status != "wrong", outcome.text.reason
    if outcome.status == "refused" and name in REFUSED:
        assert REFUSED[name] in outcome.reason
        raise NotImplementedError(outcome.reason)
    assert outcome.status == "ok", outcome.reason


def write(path, *cases):
    path.write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")
    return path


def raw(name):
    return next(json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines() if f'"{name}"' in line)


@pytest.mark.parametrize(
    "answer",
    [
        "1.000001*(A+A.T)@x/2",  # scaled
        "-.5*(A+A.T)@x",  # the other sign
        "A@x",  # transposed
        "(.5*(A+A.T)@x)[:3]",  # another shape
        "np.full(4, np.nan)",
    ],
)
def test_a_wrong_answer_is_found(answer):
    outcome = judge(replace(CASES["mx1"], numpy_expected=answer))
    assert outcome.status == "wrong"


def test_the_command_says_what_is_wrong_and_what_is_refused(tmp_path):
    good = raw("mx10")
    wrong = {**good, "id": "twice", "numpy_expected": "2*v"}
    refused = {**good, "id": "sorted", "expr": "in words", "numpy_forward": "np.sort(x)@v"}
    runner = CliRunner()
    assert runner.invoke(app, ["conformance", str(write(tmp_path / "good.jsonl", good))]).exit_code == 0
    done = runner.invoke(
        app, ["conformance", str(write(tmp_path / "bad.jsonl", good, wrong, refused)), "--format", "json"]
    )
    assert done.exit_code == 1
    data = json.loads(done.output)
    assert [case["status"] for case in data["cases"]] == ["ok", "wrong", "refused"]
    assert data["cases"][0]["formula"] == "v"
    assert "np.sort" in data["cases"][2]["reason"]
    assert data["cases"][2]["text"]["status"] == "unread"
    alone = runner.invoke(app, ["conformance", str(write(tmp_path / "refused.jsonl", refused))])
    assert alone.exit_code == 1
    assert "np.sort is not traced yet" in " ".join(alone.output.split())


@pytest.mark.parametrize(
    "line", ["", "no json", "[1]", '{"id": "x"}', json.dumps({**raw("mx10"), "kind": "slope"})]
)  # fmt: skip
def test_a_file_of_something_else_is_refused(tmp_path, line):
    path = tmp_path / "cases.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(LanguageError):
        run(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LanguageError):
        run(tmp_path / "none.jsonl")


def test_symbols_are_counted_alike_in_both_spellings():
    assert symbols("2*A'*(A*x-y)") == symbols("2 Aᵀ (A x − y)") == 7
    assert symbols("x²") == symbols("x^2") == 3
    assert symbols("a*b.*c") == 3
