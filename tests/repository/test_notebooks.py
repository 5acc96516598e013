"""The notebooks as committed: run in order, no errors, described figures, right badges.

What nbval does not see: a cell committed without having run passes there unchecked, and so does a
figure without a description. Whether the cells run is nbval's business.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from tests.repository import test_lessons as lessons
from tests.repository.test_lessons import source

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [
    "00_start_here",
    "01_the_formula",
    "02_other_schedules",
    "03_why_decay_works",
    "04_local_minima",
    "05_train_a_cnn",
    "06_warm_restarts",
    "07_choosing_parameters",
    "08_combining",
    "09_broken_schedules",
    "10_a_language_model",
    "11_predicting_the_loss",
    "12_the_verdict",
]
LONGEST_CELL = 20  # lines; about a dozen is the rule

each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells(path, kind):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def html_of(path):
    """All HTML that code cells put on the page."""
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            yield "".join(output.get("data", {}).get("text/html", ""))


# Each check returns what is wrong, so that the tests below can try it on a wrong notebook too.


def unrun(path):
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    return [i + 1 for i, count in enumerate(counts) if count != i + 1]


def errors(path):
    outputs = [output for cell in cells(path, "code") for output in cell["outputs"]]
    return [o["ename"] for o in outputs if o["output_type"] == "error"] + [
        "".join(o["text"]) for o in outputs if o.get("name") == "stderr"
    ]


def too_long(path):
    """Long code cells; a list of imports is not read like code."""
    return [
        cell["id"]
        for cell in cells(path, "code")
        if len(cell["source"]) > LONGEST_CELL and not source(cell).startswith(("import", "from"))
    ]


def undescribed(path):
    """Images with no alt text worth the name; images that are none of ours have none at all."""
    images = [tag for html in html_of(path) for tag in re.findall(r"<img\b[^>]*", html)]
    plain = [
        "image/png"
        for cell in cells(path, "code")
        for output in cell["outputs"]
        if {"image/png", "image/svg+xml"} & output.get("data", {}).keys()
    ]
    return [tag[:80] for tag in images if not re.search(r'alt="[^"]{20,}"', tag)] + plain


def unlabelled(path):
    """Calls of plotting.axes whose names for the axes are empty; it refuses those when run."""
    calls = [
        node
        for cell in cells(path, "code")
        for node in ast.walk(ast.parse(source(cell)))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) in ("subplots", "figure")
    ]
    return [ast.unparse(call)[:80] for call in calls]


# A badge's picture is in the repository, so that a notebook opens without the network.
BADGES = [
    "[![Open in Colab](badges/colab.svg)]"
    "(https://colab.research.google.com/github/OWNER/REPOSITORY/blob/HEAD/notebooks/{name})",
    "[![Open on Binder](badges/binder.svg)]"
    "(https://mybinder.org/v2/gh/OWNER/REPOSITORY/HEAD?urlpath=lab/tree/notebooks/{name})",
]


def wrong_badges(path):
    """Badges that are not right below the title, or that open something else."""
    title, _, *below = source(cells(path, "markdown")[0]).splitlines()
    assert title.startswith("# ")
    return [badge for badge in (b.format(name=path.name) for b in BADGES) if badge not in below[:2]]


# "0.4 points", "1.3 nats", "n=8": what only a measurement can give.
MEASURED = re.compile(r"\b\d+\.\d+ ?(?:points|nats)\b|\bn ?= ?\d+\b|\d+\.\d ?% (?:test|accuracy)")
QUOTED = re.compile(r"\bpilot\b|Table \d|SGDR|CIFAR|error on", re.IGNORECASE)


def typed_measurements(path):
    """Measurements that no source follows; `test_lessons.py` recomputes the others."""
    return [
        match.group()
        for cell in cells(path, "markdown")
        for line in source(cell).splitlines()
        if not QUOTED.search(line)
        for match in MEASURED.finditer(line)
    ]


def metadata(path):
    """What is there besides the kernel and collapsing; and a machine's folders."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    extra = set(notebook["metadata"]) - {"kernelspec", "language_info"}
    extra |= {*lessons.metadata(notebook)}
    folders = re.findall(r"(?:/root/|/home/|/tmp/|/work/|C:\\\\)[\w.-]*", path.read_text("utf-8"))
    return sorted(extra) + folders


CHECKS = [
    unrun,
    errors,
    too_long,
    undescribed,
    unlabelled,
    wrong_badges,
    typed_measurements,
    metadata,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@each
def test_notebook(path, check):
    assert check(path) == []


def test_the_series_is_complete():
    assert [path.stem for path in PATHS] == NAMES


@each
def test_imports_the_module(path):
    assert any(re.search(r"^(?:from|import) coslr", source(c), re.M) for c in cells(path, "code"))


@each
def test_has_the_parts_of_a_lesson(path):
    text = "\n".join(source(cell) for cell in cells(path, "markdown"))
    assert re.search(r"minutes", text)
    assert "predict" in text.lower()
    assert re.search(r"^## Recap", text, re.M)
    assert re.search(r"^## Sources", text, re.M)


@each
def test_an_exercise_not_attempted_says_so(path):
    said = json.dumps(cells(path, "code"), ensure_ascii=False)
    solutions = "".join(source(cell) for cell in cells(path, "markdown")).count("<summary>Solution")
    assert said.count("… Not attempted yet.") >= solutions


def test_size():
    assert sum(path.stat().st_size for path in PATHS) < 12e6


# ------------------------------------------------------------- each check on a wrong notebook


def wrong_notebook(tmp_path, cell=None, **parts):
    """The first notebook with a cell changed, or its own parts."""
    notebook = json.loads(PATHS[0].read_text(encoding="utf-8"))
    code = next(c for c in notebook["cells"] if c["cell_type"] == "code")
    code.update(cell or {})
    notebook |= parts
    path = tmp_path / "wrong.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def displayed(**data):
    return {"outputs": [{"output_type": "display_data", "data": data}]}


@pytest.mark.parametrize(
    ("check", "cell"),
    [
        (unrun, {"execution_count": None}),
        (unrun, {"execution_count": 2}),
        (errors, {"outputs": [{"output_type": "error", "ename": "ValueError"}]}),
        (errors, {"outputs": [{"output_type": "stream", "name": "stderr", "text": ["warning"]}]}),
        (too_long, {"source": ["pass\n"] * 21}),
        (undescribed, displayed(**{"text/html": ['<img alt="short" src="data:">']})),
        (undescribed, displayed(**{"image/png": "iVBOR"})),
        (unlabelled, {"source": ["figure, ax = plt.subplots()"]}),
        (typed_measurements, {"cell_type": "markdown", "source": ["better by 0.4 points"]}),
        (typed_measurements, {"cell_type": "markdown", "source": ["within noise, n=8"]}),
        (metadata, {"metadata": {"execution": {}}}),
        (metadata, {"source": ["open('/home/me/file')"]}),
    ],
)
def test_a_wrong_notebook_is_seen(tmp_path, check, cell):
    assert check(wrong_notebook(tmp_path, cell))


def test_states_of_widgets_are_seen(tmp_path):
    assert metadata(wrong_notebook(tmp_path)) == []
    assert metadata(wrong_notebook(tmp_path, metadata={"widgets": {}})) == ["widgets"]


@pytest.mark.parametrize("change", [("notebooks/00", "notebooks/01"), ("[Open on Binder]", "[]")])
def test_a_badge_for_another_notebook_or_without_words_is_seen(tmp_path, change):
    path = tmp_path / PATHS[0].name
    text = PATHS[0].read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    assert wrong_badges(path) == []
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    assert len(wrong_badges(path)) == 1
