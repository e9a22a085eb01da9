"""Published derivatives: every case through `trace`, in float64, at several points. All must be right.

`cases.jsonl` holds published cases, `more.jsonl` others from the same sources, written to find what is not understood,
and `texts.jsonl` short formulas as they are typed at matrixcalculus.org or read in the Matrix Cookbook, with the answer
that a person writes: the printed formula is no longer, save for those in LONGER. Their answers are checked against
central differences in `test_the_published_answers_are_right`. `functions.jsonl` has functions without an answer, as
many hands write code, which are compared with differences of sixth order.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.cli import app
from chainrule.conformance import judge, run
from chainrule.conformance.cases import FACTS, Case, draw, read_cases
from chainrule.conformance.judge import copied, differentiated
from chainrule.conformance.text import symbols
from chainrule.errors import LanguageError

FOLDER = Path(__file__).parent
FILE = FOLDER / "cases.jsonl"
OWN = ("more.jsonl", "texts.jsonl")
CASES = {case.id: case for name in ("cases.jsonl", *OWN) for case in read_cases(FOLDER / name)}
LONGER = {
    "mc_diag",  # x.^2, where x.*x has one symbol less
    "mc_sum1",  # ones(3) ones(4)ᵀ, where "ones" says no size
    "tx108", "tx210", "tx223", "tx236", "tx248", "tx271",
    "tx368", "tx378", "tx416", "tx460", "tx461", "tx485", "tx497", "tx507",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    outcome = judge(CASES[name], points=3)
    assert outcome.status == "ok", outcome.reason
    assert outcome.text.status not in ("wrong", "refused"), outcome.text.reason
    assert outcome.text.longer == (name in LONGER), outcome.text.formula


def slopes(function, at, step):
    """The Jacobian of a function by central differences, of shape f.shape + at.shape."""
    if not at.ndim:
        return (function(at + step) - function(at - step)) / (2 * step)
    columns = []
    for place in np.ndindex(at.shape):
        there = np.zeros(at.shape)
        there[place] = step
        columns.append((function(at + there) - function(at - there)) / (2 * step))
    whole = np.array(columns).reshape(*at.shape, *columns[0].shape)
    return np.moveaxis(whole, range(at.ndim), range(-at.ndim, 0))


@pytest.mark.parametrize("name", [case.id for own in OWN for case in read_cases(FOLDER / own)])
def test_the_published_answers_are_right(name):
    case = CASES[name]
    arrays = draw(case, np.random.default_rng(3))
    forward = case.forward()

    def value(at):
        return np.asarray(forward(**copied({**arrays, case.wrt: at})), dtype=float)

    at = np.asarray(arrays[case.wrt], dtype=float)
    if case.kind == "hessian":
        found = slopes(lambda v: slopes(value, v, 1e-4), at, 1e-4)
    else:
        found = slopes(value, at, 1e-5)
    expected = np.asarray(case.answer()(**copied(arrays)), dtype=float)
    assert found.shape == expected.shape
    tolerance = 1e-4 if case.kind == "hessian" else 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


FUNCTIONS = [json.loads(line) for line in (FOLDER / "functions.jsonl").read_text(encoding="utf-8").splitlines()]


def differences(function, at):
    """The Jacobian by central differences of sixth order."""
    step, weights = 2e-3, ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))

    def along(there):
        return sum(w * (function(at + k * step * there) - function(at - k * step * there)) for k, w in weights) / step

    if not at.ndim:
        return along(1.0)
    columns = []
    for place in np.ndindex(at.shape):
        there = np.zeros(at.shape)
        there[place] = 1
        columns.append(along(there))
    whole = np.array(columns).reshape(*at.shape, *np.shape(columns[0]))
    return np.moveaxis(whole, range(at.ndim), range(-at.ndim, 0))


@pytest.mark.parametrize("data", FUNCTIONS, ids=[data["id"] for data in FUNCTIONS])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_as_people_write_them(data):
    case = read_case(data)
    arrays = draw(case, np.random.default_rng(3))
    forward = case.forward()

    def value(at):
        return np.asarray(forward(**copied({**arrays, case.wrt: np.asarray(at)})), dtype=float)

    at = np.asarray(arrays[case.wrt], dtype=float)
    truth = differences(value, at) if case.kind != "hessian" else differences(lambda v: differences(value, v), at)
    net = cr.trace(case.forward(), wrt=case.wrt, facts=case.facts(), **case.shapes)
    for found in differentiated(net, case)[1]:
        np.testing.assert_allclose(
            np.reshape(found(**copied(arrays)), truth.shape), truth, rtol=0, atol=1e-7 * max(1, np.abs(truth).max())
        )


def read_case(data):
    """A case that has no published answer."""
    return Case(
        data["id"], data["expr"], {k: tuple(v) for k, v in data["shapes"].items()}, data["wrt"], data["kind"], "",
        data["numpy_forward"], "", data.get("init", {}),
    )  # fmt: skip


def write(path, *cases):
    path.write_text("".join((case if isinstance(case, str) else json.dumps(case)) + "\n" for case in cases), "utf-8")
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
    ],
)
def test_a_wrong_answer_is_found(answer):
    outcome = judge(replace(CASES["mx1"], numpy_expected=answer))
    assert outcome.status == "wrong"


def test_the_command_says_what_is_wrong_and_what_is_refused(tmp_path):
    good = raw("mx10")
    wrong = {**good, "id": "twice", "numpy_expected": "2*v"}
    refused = {**good, "id": "sorted", "expr": "in words", "numpy_forward": "np.floor(x)@v"}
    runner = CliRunner()
    assert runner.invoke(app, ["conformance", str(write(tmp_path / "good.jsonl", good))]).exit_code == 0
    done = runner.invoke(app, ["conformance", str(write(tmp_path / "bad.jsonl", good, wrong, refused)), "--json"])
    assert done.exit_code == 1
    data = json.loads(done.output)
    assert [case["status"] for case in data["cases"]] == ["ok", "wrong", "refused"]
    assert data["cases"][0]["formula"] == "v"
    assert "np.floor" in data["cases"][2]["reason"]
    assert data["cases"][2]["text"]["status"] == "unread"
    alone = runner.invoke(app, ["conformance", str(write(tmp_path / "refused.jsonl", refused))])
    assert alone.exit_code == 1
    assert "np.floor is not traced yet" in " ".join(alone.output.split())


def changed(**fields):
    return json.dumps({**raw("mx1"), **fields})


UNUSABLE = [
    ("no json", "no conformance case"), ("[1]", "no conformance case"), ('{"id": "x"}', "has no"),
    (changed(kind="slope"), "the kind slope is not known"), (changed(wrt="z"), "which has no shape"),
    (changed(init={"A": "banded"}), "init banded of A is not known"), (changed(init={"A": "int0"}), "init int0"),
    (changed(init={"x": "spd"}), "no square matrix"), (changed(init={"z": "pos"}), "init of z"),
    (changed(init={"x": "int3"}), "whole numbers"), (changed(shapes={"x": [0], "A": [4, 4]}), "the shape [0] of x"),
    (changed(shapes={"x": "four"}), "no conformance case"), (changed(tolerance=0), "the tolerance"),
    (changed(shapes={"x": [4], "lambda": []}), "no name of an argument"),
    (changed(numpy_forward="x @@ A"), "numpy_forward fails: SyntaxError"),
    (changed(numpy_expected="nothing"), "numpy_expected fails: NameError"),
    (changed(numpy_expected="np.log(-x*x)"), "not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "words"), UNUSABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_line_that_is_no_case_is_said_and_the_rest_is_run(tmp_path, line, words):
    report = run(write(tmp_path / "cases.jsonl", raw("mx10"), "", line, raw("mx10")))
    assert [o.status for o in report.outcomes] == ["ok", "unusable", "ok"]
    assert words in report.outcomes[1].reason
    assert report.outcomes[1].id in ("line 3", "mx1")
    assert not report.ok
    assert "1 unusable" in report.summary


@pytest.mark.parametrize("line", ["", "no json", "[1]", '{"id": "x"}', changed(kind="slope")])
def test_a_file_of_something_else_is_refused(tmp_path, line):
    path = tmp_path / "cases.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(LanguageError, match="holds no case"):
        run(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LanguageError):
        run(tmp_path / "none.jsonl")


def test_text_that_says_another_function_is_no_mistake_of_the_derivative():
    outcome = judge(replace(CASES["mx1"], expr="x'*A*x"))
    assert (outcome.status, outcome.text.status) == ("ok", "other")
    assert judge(CASES["mx1"]).text.status == "ok"


def test_functions_may_write_into_their_arguments():
    case = replace(CASES["mx10"], numpy_forward="x*=2;return v@x", numpy_expected="2*v")
    assert judge(case).status == "ok"


def test_every_kind_of_argument_is_as_it_says():
    rng = np.random.default_rng(0)
    shapes = {"a": (5, 3), "b": (4, 4), "y": (7,)}
    for how in (*FACTS, "well", "pdns"):
        name = "b" if how in ("sym", "spd", "well", "pdns") else "a"
        array = draw(replace(CASES["mx1"], shapes=shapes, init={name: how}), rng)[name]
        if how in ("sym", "spd"):
            np.testing.assert_array_equal(array, array.T)
        if how in ("spd", "pdns"):
            assert np.linalg.eigvalsh(array + array.T).min() > 0
        if how in ("well", "pdns"):
            assert np.linalg.cond(array) < 100
            assert not np.allclose(array, array.T)
        if how in ("onehot", "onehot_rows", "prob"):
            np.testing.assert_allclose(array.sum(-1), 1)
        if how in ("onehot", "onehot_rows", "mask"):
            assert set(np.unique(array)) == {0, 1}
        if how in ("pos", "prob"):
            assert array.min() > 0
    labels = draw(replace(CASES["mx1"], shapes=shapes, init={"y": "int3"}), rng)["y"]
    assert labels.dtype.kind == "i"
    assert set(labels) <= {0, 1, 2}


def test_symbols_are_counted_alike_in_both_spellings():
    assert symbols("2*A'*(A*x-y)") == symbols("2 Aᵀ (A x − y)") == 7
    assert symbols("x²") == symbols("x^2") == 3
    assert symbols("a*b.*c") == 3
