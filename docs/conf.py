"""The course as a site: `make site` renders the notebooks as committed, and the docstrings.

The pages fetch nothing from elsewhere, and can be read without JavaScript: formulas are MathML, and
an output that needs a kernel (sliders, progress bars) is replaced by words when a page is read in.
"""

import json
import posixpath
import re
import shutil
from html import escape
from pathlib import Path
from urllib.parse import quote

from docutils.nodes import SkipNode, math_block
from docutils.utils.math.latex2mathml import tex2mathml

import coslr

REPOSITORY = "OWNER/REPOSITORY"
PACKAGE = Path(coslr.__file__).parent
HERE = Path(__file__).parent

# Sphinx reads what is in its own folder: copies of the notebooks, with their dates, so that only
# changed ones are rendered again, and a page for each of our modules. git ignores both folders.
for made in ("notebooks", "api"):
    shutil.rmtree(HERE / made, ignore_errors=True)
    (HERE / made).mkdir()
for notebook in HERE.parent.glob("notebooks/*.ipynb"):
    shutil.copy2(notebook, HERE / "notebooks")
for module in PACKAGE.glob("[!_]*.py"):
    title = f"coslr.{module.stem}"
    page = f"{title}\n{'=' * len(title)}\n\n.. automodule:: {title}\n   :members:\n"
    (HERE / "api" / f"{title}.rst").write_text(page, encoding="utf-8")

project = "coslr"
author = "coslr authors"
version = release = coslr.__version__
html_title = "Cosine annealing, measured"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"  # the outputs are the committed ones
nb_ipywidgets_js = {}  # no widget manager: it would come from elsewhere
nb_merge_streams = True
nb_render_markdown_format = "myst"  # for formulas in outputs
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # the texts say what an argument must be
python_maximum_signature_line_length = 90
default_role = "py:obj"
add_module_names = False

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_sourcelink_suffix = ""  # "download" is the source
html_math_renderer = "mathml"


# ------------------------------------------------------------------------- what is read in


def read(app, name, source):
    """Take out of a page what would be fetched from elsewhere, or needs a kernel."""
    if name.startswith("notebooks/"):
        notebook = json.loads(source[0])
        states = notebook["metadata"].pop("widgets", {})
        states = states.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
        states = {f"IPY_MODEL_{key}": widget["state"] for key, widget in states.items()}
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = with_links("".join(cell["source"]), "notebooks/")
            for output in cell.get("outputs", []):
                without_kernel(output.get("data", {}), states)
        source[0] = json.dumps(notebook)


def without_kernel(data, states):
    """Sliders as a sentence and the figure that they were left at; a progress bar as its text."""
    widget = data.pop("application/vnd.jupyter.widget-view+json", None)
    words = "".join(data.get("text/plain", ""))
    if widget and words.startswith("VBox("):
        box = states.get(f"IPY_MODEL_{widget['model_id']}", {})
        inside = [states.get(child, {}) for child in box.get("children", [])]
        names = [part["description"] for part in inside if part.get("description")]
        names = names or re.findall(r"description='(.*?)'", words)
        figure = "".join(part["value"] for part in inside if part.get("_view_name") == "HTMLView")
        sliders = ", ".join(f"<code>{name}</code>" for name in names)
        data["text/html"] = f"<p><em>Sliders when the notebook runs: {sliders}</em></p>{figure}"


def read_readme(app, path, parent, content):
    """The README as the first page, with its badge as words."""
    text = re.sub(r"\[!\[([^]]*)\]\([^)]*\)\](\([^)]*\))", r"[\1]\2", content[0])
    content[0] = with_links(text.replace("(docs/", "("), "")


def with_links(text, folder):
    """Links to our modules lead to the reference, and those to other files to the repository."""

    def link(match):
        path = posixpath.normpath(folder + match[1])
        if module := re.fullmatch(r"coslr/([a-z]+)\.py", path):
            return f"](/api/coslr.{module[1]}.rst)"
        if path.endswith((".ipynb", ".png")):
            return match[0]
        return f"](https://github.com/{REPOSITORY}/blob/HEAD/{path})"

    return re.sub(r"\]\(([\w./-]+)\)", link, text)


# ------------------------------------------------------------------------------ docstrings

ITEMS = ("Parameters", "Attributes", "Raises", "Yields")


def sections(app, what, name, obj, options, lines):
    """Our docstrings' sections, whose items are `names : text`, and their indented formulas.

    numpydoc and Napoleon would take the text for a type, and what follows a list for another item.
    """
    result, section, previous = [], None, None
    for line, after in zip(lines, [*lines[1:], ""][: len(lines)], strict=True):
        item = re.fullmatch(r"(\*{0,2}\w[\w.]*(?:, \w+)*) : +(.*)", line)
        if line and re.fullmatch("-{3,}", after):
            section = line
            result += [f".. rubric:: {line}", ""]
        elif section in ITEMS and item:
            result += [f"``{item[1]}``", f"    {item[2]}"]
        elif not re.fullmatch("-{3,}", line):
            if section is None and line.startswith("    ") and previous == "":
                result += ["::", ""]
            result.append(line)
        previous = line
    lines[:] = result


# ------------------------------------------------------------------------------- formulas


def visit_math(translator, node):
    """A formula as MathML, which browsers draw themselves."""
    # Two spellings that docutils does not know.
    formula = re.sub(r"\\dots\b", r"\\ldots", node.astext())
    formula = re.sub(r"\\([td]?frac)(\d)(\d)", r"\\\1{\2}{\3}", formula)
    block = isinstance(node, math_block)
    mathml = tex2mathml(formula, as_block=block)
    translator.body.append(f'<div class="formula">{mathml}</div>' if block else mathml)
    raise SkipNode


# ------------------------------------------------------------------------------ each page


def links(app, name, template, context, doctree):
    """Ways to open a notebook, below its title."""
    if name.startswith("notebooks/"):
        tree = quote(f"lab/tree/{name}.ipynb", safe="")
        binder = f"https://mybinder.org/v2/gh/{REPOSITORY}/HEAD?urlpath={tree}"
        colab = f"https://colab.research.google.com/github/{REPOSITORY}/blob/HEAD/{name}.ipynb"
        install = f'%pip install "coslr[course] @ git+https://github.com/{REPOSITORY}"'
        row = (
            f'<p class="open"><a href="{binder}">Open in Binder</a>'
            f'<a href="{colab}" title="Run this first: {escape(install)}">Open in Colab</a>'
            f'<a href="../_sources/{name}.ipynb" download>Download</a></p>'
        )
        context["body"] = context["body"].replace("</h1>", f"</h1>{row}", 1)


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", read)
    app.connect("include-read", read_readme)
    app.connect("autodoc-process-docstring", sections)
    app.connect("html-page-context", links)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
