"""The course as a site: `make site` renders the committed notebooks and our docstrings.

The pages fetch nothing from elsewhere and are readable without JavaScript. Formulas are MathML,
which browsers draw themselves. Where an output needs a running kernel (progress bars),
words take its place.
"""

import json
import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from docutils.nodes import Element, SkipNode, math_block
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

import coslr

sys.path.insert(0, str(Path(__file__).parent))
from first_page import for_readers_without_scripts, minutes_of

REPOSITORY = "OWNER/REPOSITORY"
PACKAGE = Path(coslr.__file__).parent
HERE = Path(__file__).parent

# The reference has three rooms, one for each audience. The page of a room leads to its modules.
ROOMS = {
    "coslr": "For your own training: coslr",
    "coslr.experiments": "For studies: coslr.experiments",
    "coslr.course": "For lessons: coslr.course",
}

project = "coslr"
author = "coslr authors"
version = release = coslr.__version__
html_title = "Cosine annealing, measured"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "first_page"]
nb_execution_mode = "off"  # show the committed outputs
nb_ipywidgets_js = {}  # pages would fetch the widget manager from elsewhere
nb_merge_streams = True
nb_render_markdown_format = "myst"  # outputs contain formulas too
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # the texts say what an argument must be
# The reference needs the docstrings of coslr.integrations, and the site none of their libraries.
autodoc_mock_imports = ["keras", "lightning", "transformers"]
napoleon_numpy_docstring = False
# Napoleon's own list of parameters takes the first name of `x, y: text` for the type of the second.
napoleon_use_param = False
# By default Napoleon takes the words before a colon in `Returns:` for a type.
napoleon_custom_sections = [("Attributes", "params_style"), "Returns", "Yields"]
python_maximum_signature_line_length = 90
default_role = "py:obj"
add_module_names = False

html_theme = "furo"
html_static_path = ["site.css", "site.js"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_sourcelink_suffix = ""  # the "Download" link leads to an .ipynb file
html_math_renderer = "mathml"
html_show_copyright = False


# ------------------------------------------------------------- files that Sphinx reads in docs/


def public_modules() -> list[str]:
    """The full names of our packages and modules, without those that begin with an underscore."""
    paths = [path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py")]
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths}
    return sorted(name for name in names if "._" not in name)


MODULES = public_modules()


def reference_page(module: str) -> str:
    """A page that documents a module; the page of a package leads to the modules in it."""
    title = ROOMS.get(module, module)
    inside = [name for name in MODULES if name.rpartition(".")[0] == module and name not in ROOMS]
    lines = [title, "=" * len(title), "", f".. automodule:: {module}"]
    if inside:
        lines += ["", ".. toctree::", "   :maxdepth: 2", ""]
        lines += [f"   {name.rpartition('.')[2]} <{name}>" for name in inside]
    else:
        lines += ["   :members:"]
    return "\n".join([*lines, ""])


def write_sources() -> None:
    """Write the reference pages, and copy the notebooks; git ignores both folders.

    Sphinx reads its own folder only. The copies keep their dates, so that Sphinx renders only those
    that changed.
    """
    for folder in (HERE / "api", HERE / "notebooks"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for module in MODULES:
        (HERE / "api" / f"{module}.rst").write_text(reference_page(module), encoding="utf-8")
    for notebook in HERE.parent.glob("notebooks/*.ipynb"):
        shutil.copy2(notebook, HERE / "notebooks")


write_sources()


# ---------------------------------------------------------------- what changes in what it reads


def read_notebook(app: Sphinx, name: str, source: list[str]) -> None:
    """Make a notebook's text and outputs fit for a site."""
    if not name.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = for_the_site("".join(cell["source"]), "notebooks/")
        fold_apart(cell["metadata"].get("tags", []))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            # A progress bar needs a kernel. Its text is left.
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "data-coslr" in (html := "".join(data.get("text/html", ""))):
                data["text/html"] = for_readers_without_scripts(html)
    source[0] = json.dumps(notebook)


def fold_apart(tags: list[str]) -> None:
    """Fold a cell's code and its result each by itself, so that code opens without the answer."""
    if "hide-cell" in tags:
        tags[:] = sorted({*tags, "hide-input", "hide-output"} - {"hide-cell"})


def read_readme(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    """Make the README fit for a page of the site."""
    content[0] = for_the_site(content[0].replace("(docs/", "("), "")


def for_the_site(markdown: str, folder: str) -> str:
    """Replace badges by words, and lead links to where their target is.

    A badge, an image in a link, becomes a link with the badge's words: its image may be elsewhere.
    A link to one of our modules leads to its page in the reference, a link to the README or the
    recipes to their page, and a link to another file that is not on the site leads to the
    repository.

    Args:
        markdown: text of a file of the repository.
        folder: where the file is, such as "notebooks/".
    """

    def link(match: re.Match[str]) -> str:
        path = posixpath.normpath(folder + match["path"])
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if module in MODULES:
            return f"](/api/{module}.rst)"
        if path in ("recipes.md", "docs/recipes.md"):
            return f"](/recipes.md{match['anchor'] or ''})"
        if path == "README.md":
            return f"](/about.md{match['anchor'] or ''})"
        if path.endswith((".ipynb", ".png")):
            return match[0]
        return f"](https://github.com/{REPOSITORY}/blob/HEAD/{path}{match['anchor'] or ''})"

    markdown = re.sub(r"\[!\[([^]]*)\]\([^)]*\)\](?=\()", r"[\1]", markdown)
    return re.sub(r"\]\((?P<path>[\w./-]+)(?P<anchor>#[\w-]+)?\)", link, markdown)


# ----------------------------------------------------------------------- what changes in a page


def visit_math(translator: Any, node: Element) -> None:
    """Write a formula as MathML."""
    # docutils does not know these two spellings.
    formula = re.sub(r"\\dots\b", r"\\ldots", node.astext())
    formula = re.sub(r"\\([td]?frac)(\d)(\d)", r"\\\1{\2}{\3}", formula)
    block = isinstance(node, math_block)
    mathml = tex2mathml(formula, as_block=block)
    translator.body.append(f'<div class="formula">{mathml}</div>' if block else mathml)
    raise SkipNode


# myst-nb's words on a fold. Their label hides them from screen readers.
FOLD = re.compile(
    r'<summary aria-label="Toggle hidden content">\s*<p class="collapsed admonition-title">'
    r"Show code cell (source|outputs?)</p>\s*<p class=\"expanded admonition-title\">.*?</p>"
)
FOLDED = {"source": "Code", "output": "Result", "outputs": "Result"}


def finish_lesson(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: Element | None
) -> None:
    """Say above a lesson how long it takes, offer its notebook, and name its folds plainly."""
    folder, _, file = name.partition("/")
    if folder != "notebooks":
        return
    minutes = minutes_of(file)
    takes = f" · about {minutes} minutes" if minutes else ""
    head = f'<p class="lesson-line">Lesson {file[:2]}{takes}</p>\n<h1>'
    link = f'<p class="download"><a href="../_sources/{name}.ipynb" download>Download</a></p>'
    body = context["body"].replace("<h1>", head, 1).replace("</h1>", f"</h1>{link}", 1)
    context["body"] = FOLD.sub(lambda match: f"<summary>{FOLDED[match[1]]}", body)


def finish_navigation(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: Element | None
) -> None:
    """Give the captions of the navigation the level that a heading must have."""
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def setup(app: Sphinx) -> None:
    """Connect the functions above; Sphinx calls this."""
    app.connect("source-read", read_notebook)
    app.connect("include-read", read_readme)
    app.connect("html-page-context", finish_lesson)
    app.connect("html-page-context", finish_navigation, priority=900)  # after the theme's own
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
