"""The lessons as a reader meets them.

Each check returns what is wrong with a notebook. All of them are tried below on a lesson that is
right, and on the same lesson with one mistake.
"""

import ast
import copy
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]

HIDDEN_CODE = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
HIDDEN_OUTPUT = {"jupyter": {"outputs_hidden": True}, "tags": ["hide-output"]}
HIDDEN_BOTH = {
    "jupyter": {"source_hidden": True, "outputs_hidden": True},
    "tags": ["hide-cell"],
}
COLLAPSED = [HIDDEN_CODE, HIDDEN_OUTPUT, HIDDEN_BOTH]

WORDS_A_MINUTE, LINES_A_MINUTE, MINUTES_AN_EXERCISE = 220, 15, 3


def read(name):
    return json.loads((ROOT / f"notebooks/{name}.ipynb").read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def of_kind(notebook, kind):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def prose(notebook):
    """All Markdown, without comments and without solutions."""
    text = "\n\n".join(source(cell) for cell in of_kind(notebook, "markdown"))
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"<details><summary>Solution.*?</details>", "", text, flags=re.DOTALL)


def exercises(notebook):
    text = "\n".join(source(cell) for cell in of_kind(notebook, "markdown"))
    return text.count("<details><summary>Solution")


def lines(code):
    return [line for line in code.splitlines() if line.strip()]


# ---------------------------------------------------------------------------- what is wrong


def question_comes_late(notebook):
    """The first screen is the title, a collapsed cell of imports, and the question's figure."""
    first = notebook["cells"][:4]
    code = [cell for cell in first if cell["cell_type"] == "code"]
    found = []
    if not any("<img" in json.dumps(cell.get("outputs", [])) for cell in code):
        found.append("no figure among the first four cells")
    if any(cell["metadata"] not in COLLAPSED for cell in code):
        found.append("a cell above the question, or the figure's own, is not collapsed")
    return found


def promises_nothing(notebook):
    first = source(notebook["cells"][0])
    return [] if "you can" in first else ["the first cell does not say what the reader can do"]


def dishonest_time(notebook):
    """The stated minutes are within a third of what reading and exercises take."""
    stated = re.search(r"\b[Aa]bout (\d+) minutes\b", source(notebook["cells"][0]))
    if not stated:
        return ["the first cell lacks 'About N minutes'"]
    words = len(re.findall(r"\w[\w'’-]*", re.sub(r"<[^>]*>|\]\([^)]*\)", " ", prose(notebook))))
    code = [
        c for c in of_kind(notebook, "code") if "source_hidden" not in json.dumps(c["metadata"])
    ]
    shown = sum(len(lines(source(cell))) for cell in code)
    minutes = (
        words / WORDS_A_MINUTE + shown / LINES_A_MINUTE + MINUTES_AN_EXERCISE * exercises(notebook)
    )
    right = 2 / 3 * minutes <= int(stated[1]) <= 4 / 3 * minutes
    return [] if right else [f"about {stated[1]} minutes, but it takes {minutes:.0f}"]


def options(text):
    """The folded options of a prediction or a question: (what can be chosen, what opens)."""
    found = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", text, re.DOTALL)
    return [(choice.strip(), answer.strip()) for choice, answer in found]


def predictions_without_choice(notebook):
    """A prediction offers options, each of which opens an answer of its own."""
    asked = [c for c in map(source, of_kind(notebook, "markdown")) if "**Predict.**" in c]
    found = [] if asked else ["no prediction"]
    for text in asked:
        choices = options(text.partition("**Predict.**")[2])
        if len(choices) < 2:
            found.append(f"{len(choices)} options: {text[:60]}")
        if len({answer for _, answer in choices}) < len(choices) or not all(a for _, a in choices):
            found.append(f"two options open the same, or one opens nothing: {text[:60]}")
    return found


def faulty_quiz(notebook):
    """Five questions; one option of each is right, and every wrong one is explained."""
    section = re.search(r"^## Quiz$(.*?)(?=^## |\Z)", prose(notebook), re.MULTILINE | re.DOTALL)
    if not section:
        return ["no quiz"]
    questions = re.split(r"^\*\*\d\.\*\*", section[1], flags=re.MULTILINE)[1:]
    found = [] if len(questions) == 5 else [f"{len(questions)} questions"]
    places = set()
    for number, question in enumerate(questions, 1):
        answers = [answer for _, answer in options(question)]
        right = [i for i, answer in enumerate(answers) if answer.startswith("✓")]
        places |= set(right)
        if len(right) != 1 or len(answers) < 3:
            found.append(f"question {number}: {len(right)} of {len(answers)} are right")
        if any(answer[0] not in "✓✗" or len(answer.split()) < 5 for answer in answers):
            found.append(f"question {number}: an answer is not explained")
    if questions and len(places) < 2:
        found.append("the right answer always stands in the same place")
    return found


def exercise_count(notebook):
    return [] if 2 <= exercises(notebook) <= 4 else [f"{exercises(notebook)} exercises"]


# What a statement mentions that makes a figure or a table.
DRAWING = {
    "plotting",
    "ax",
    "axes",
    "panel",
    "panels",
    "top",
    "bottom",
    "figure",
    "display",
    "print",
}
DRAWING |= {"left", "right", "middle", "forest"}


def drawing_lines(code):
    """How many lines belong to statements that draw or print."""
    count = 0
    for statement in ast.parse(re.sub(r"^%.*$", "", code, flags=re.MULTILINE)).body:
        names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        if names & DRAWING and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            end = statement.end_lineno or statement.lineno
            count += len(lines("\n".join(code.splitlines()[statement.lineno - 1 : end])))
    return count


def mostly_drawing(notebook):
    """At most half of the code lines make figures and tables; imports do not count."""
    cells = [source(c) for c in of_kind(notebook, "code")]
    cells = [c for c in cells if not c.startswith(("import", "from"))]
    drawing, total = sum(map(drawing_lines, cells)), sum(len(lines(c)) for c in cells)
    return [] if 2 * drawing <= total else [f"{drawing} of {total} lines draw"]


def prose_in_code(notebook):
    """Sentences in f-strings, or Markdown made by code: text belongs into text."""
    found = []
    for cell in of_kind(notebook, "code"):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.Name) and node.id in ("Markdown", "display_markdown"):
                found.append(f"{node.id}: {source(cell)[:50]}")
            if isinstance(node, ast.JoinedStr):
                said = " ".join(p.value for p in node.values if isinstance(p, ast.Constant))
                if len(re.findall(r"[A-Za-z]{2,}", said)) > 12:
                    found.append(said[:60])
    return found


def unsourced(notebook):
    """Numbers that their source contradicts."""
    citations = pytest.importorskip("coslr.course.citations")
    texts = (source(cell) for cell in of_kind(notebook, "markdown"))
    return [wrong for text in texts for wrong in citations.wrong_citations(text)]


def glossary():
    """The words that we do not use -> the one that we use."""
    rows = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
    cells = [[part.strip() for part in row.strip("|").split("|")] for row in rows if "|" in row][2:]
    return {
        word.strip(): term
        for term, _, avoided in cells
        for word in re.sub(r"\(.*?\)", "", avoided).split(",")
        if word.strip() != "—"
    }


# Words of the glossary's last column that are right in other senses; the glossary advises only.
AMBIGUOUS = {"reset", "threshold", "no difference", "the same", "scheduler", "lr", "significant"}


def other_words(notebook):
    """Words that the glossary asks us not to use, outside code and the titles of papers."""
    text = re.sub(r"```.*?```|`[^`]*`|\"[^\"]*\"", " ", prose(notebook), flags=re.DOTALL)
    text = text.partition("## Sources")[0]
    return [
        f"{word} (say: {term})"
        for word, term in glossary().items()
        if word not in AMBIGUOUS and re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE)
    ]


def kind(value):
    """What an expression makes, as far as its form tells: "list", "DataFrame", or None."""
    match value:
        case ast.Constant(value=int() | float() | complex()):
            return "number"
        case ast.Constant(value=constant) if constant is not ...:
            return type(constant).__name__
        case ast.JoinedStr():
            return "str"
        case ast.List() | ast.ListComp():
            return "list"
        case ast.Dict() | ast.DictComp():
            return "dict"
        case ast.Set() | ast.SetComp():
            return "set"
        case ast.Tuple():
            return "tuple"
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name[0].isupper():
            return name
    return None


def changing_names(notebook):
    """Names to which the cells assign things of two kinds, such as a list and then a table."""
    kinds = {}
    for cell in of_kind(notebook, "code"):
        for statement in ast.parse(source(cell)).body:
            for node in ast.walk(statement):
                if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                    break  # its names are its own
                if isinstance(node, ast.Assign):
                    pairs = [(target, node.value) for target in node.targets]
                    if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = zip(node.targets[0].elts, node.value.elts, strict=False)
                    for target, value in pairs:
                        if isinstance(target, ast.Name) and kind(value):
                            kinds.setdefault(target.id, set()).add(kind(value))
    return [f"{name}: {', '.join(sorted(of))}" for name, of in kinds.items() if len(of) > 1]


def metadata(notebook):
    return [
        json.dumps(cell["metadata"])
        for cell in notebook["cells"]
        if cell["metadata"] and cell["metadata"] not in COLLAPSED
    ]


CHECKS = [
    question_comes_late,
    promises_nothing,
    dishonest_time,
    predictions_without_choice,
    faulty_quiz,
    exercise_count,
    mostly_drawing,
    prose_in_code,
    unsourced,
    other_words,
    changing_names,
    metadata,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", LESSONS)
def test_lesson(name, check):
    assert check(read(name)) == []


# ---------------------------------------------------------------- each check on a wrong lesson

ANSWERS = [
    "\n\n<details><summary>one</summary>\n\n✓ It is so because we say so.\n\n</details>",
    "\n<details><summary>two</summary>\n\n✗ It is not so, for two reasons.\n\n</details>",
    "\n<details><summary>three</summary>\n\n✗ It is not so, for three reasons.\n\n</details>",
]


def question(number):
    turned = ANSWERS[number % 3 :] + ANSWERS[: number % 3]
    return f"\n\n**{number}.** What is it?" + "".join(turned)


def markdown(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def code(text, outputs=(), **meta):
    return markdown(text) | {"cell_type": "code", "outputs": [*outputs], "metadata": meta}


def lesson():
    """A small lesson with which nothing is wrong."""
    figure = {"output_type": "display_data", "data": {"text/html": ['<img alt="A" src="data:">']}}
    predict = "**Predict.** Which?\n\n" + "\n".join(
        f"<details><summary>{x}</summary>\n\nThe {x} one it is, or not.\n\n</details>" for x in "ab"
    )
    solve = "**{}.** Do it.\n\n<details><summary>Solution</summary>\n\n`x = 1`\n\n</details>"
    cells = [
        markdown("# Title\n\nAfter this lesson you can count. About 8 minutes."),
        code("import numpy as np", **HIDDEN_CODE),
        code("ax = plotting.axes('x', 'y')", [figure], **HIDDEN_CODE),
        markdown(predict),
        code("x = 1\ny = 2\nz = x + y", [], **HIDDEN_OUTPUT),
        markdown("It is 0.05<!-- = Cosine(50, 0.1)(25) --> there."),
        markdown(solve.format(1)),
        markdown(solve.format(2)),
        markdown("## Quiz" + "".join(map(question, range(1, 6)))),
    ]
    return {"cells": cells}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_right_lesson_passes(check):
    assert check(lesson()) == []


def changed(old, new):
    """The right lesson with the first occurrence of a text replaced in some cell."""

    def change(notebook):
        for cell in notebook["cells"]:
            if old in source(cell):
                cell["source"] = [source(cell).replace(old, new, 1)]
                return
        raise AssertionError(f"{old!r} is not in the lesson")

    return change


def with_metadata(number, meta):
    return lambda notebook: notebook["cells"][number].update(metadata=meta)


def without(number):
    return lambda notebook: notebook["cells"].pop(number)


@pytest.mark.parametrize(
    ("check", "mistake"),
    [
        (question_comes_late, without(2)),
        (question_comes_late, with_metadata(1, {})),
        (question_comes_late, with_metadata(2, {})),
        (promises_nothing, changed("you can", "one may")),
        (dishonest_time, changed("About 8", "About 4")),
        (dishonest_time, changed("About 8", "About 12")),
        (dishonest_time, changed("About 8 minutes", "Eight minutes")),
        (predictions_without_choice, changed("**Predict.**", "Predict:")),
        (predictions_without_choice, changed("<details><summary>b", "<b><summary>b")),
        (predictions_without_choice, changed("The b one", "The a one")),
        (predictions_without_choice, changed("The b one it is, or not.", "")),
        (faulty_quiz, changed("## Quiz", "## Questions")),
        (faulty_quiz, changed("**5.**", "5.")),
        (faulty_quiz, changed("✗", "✓")),
        (faulty_quiz, changed("✓", "✗")),
        (faulty_quiz, changed("✗ It is not so, for two reasons.", "✗ No.")),
        (exercise_count, without(7)),
        (mostly_drawing, changed("x = 1\ny = 2\nz = x + y", "ax.plot(x)\nx = 2\nax.plot(y)")),
        (
            mostly_drawing,
            changed("z = x + y", "for i in x:\n    print(\n    i)\nax.plot(x)"),
        ),
        (prose_in_code, changed("z = x + y", "Markdown('It is so.')")),
        (prose_in_code, changed("z = x + y", f'print(f"{"word " * 13}{{x}}")')),
        (unsourced, changed("0.05<", "0.06<")),
        (unsourced, changed("0.05<!-- =", "0.05<!--")),
        (other_words, changed("there.", "there, at each iteration.")),
        (other_words, changed("there.", "there, by error bars.")),
        (changing_names, changed("z = x + y", "x = [1, 2]")),
        (changing_names, changed("z = x + y", "x, z = {}, 1")),
        (changing_names, changed("z = x + y", "for y in [1]:\n    x = Cosine(1, 2)")),
        (metadata, with_metadata(0, {"editable": False})),
        (metadata, with_metadata(1, {"tags": ["hide-input"]})),
    ],
)
def test_a_wrong_lesson_is_seen(check, mistake):
    notebook = copy.deepcopy(lesson())
    mistake(notebook)
    assert check(notebook)


def test_the_right_answer_moves_about():
    notebook = lesson()
    fixed = "## Quiz" + "".join(f"\n\n**{n}.** What is it?" + "".join(ANSWERS) for n in range(1, 6))
    notebook["cells"][-1] = markdown(fixed)
    assert faulty_quiz(notebook) == ["the right answer always stands in the same place"]
