"""Every link in the README, CONTRIBUTING, the notebooks and the docs leads somewhere.

A link inside the repository must lead to a file that is there, and its `#anchor` to a heading of
that file. A link to elsewhere is judged by its form, because tests must not need the network.
"""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = [
    "*.md",
    ".github/*.md",
    "docs/*.md",
    "notebooks/**/*.md",
    "coslr/**/*.md",
    "notebooks/*.ipynb",
]
PATHS = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT).as_posix())

# What stands for the repository's address until it is published, and the hosts where it may.
OURS = "OWNER/REPOSITORY"
HOSTS = ["github.com", "mybinder.org", "colab.research.google.com"]

FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")
# The target may hold one pair of parentheses, as addresses at Wikipedia do.
TARGET = re.compile(r"\]\(<?((?:[^()<>\s]|\([^()\s]*\))+)>?(?: \"[^\"]*\")?\)")
ATTRIBUTE = re.compile(r"\b(?:href|src)=[\"']([^\"']+)")
ADDRESS = re.compile(r"https?:[^\s<>\"'`\])]*(?:\([^\s()]*\)[^\s<>\"'`\])]*)*")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
NAMED = re.compile(r"\b(?:id|name)=[\"']([^\"']+)")
PLACEHOLDER = re.compile(
    r"\b(?:OWNER|REPOSITORY|REPO|USER|USERNAME|ORG|YOUR\w*|TODO|XXX+)\b|example\.(?:com|org|net)"
)


def markdown(path):
    """The Markdown of a file; of a notebook that of its Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def prose(path):
    return INLINE_CODE.sub("`code`", FENCED.sub("", markdown(path)))


def targets(path):
    """Where the links and images of a file lead; what is code is no link."""
    text = prose(path)
    return sorted({*TARGET.findall(text), *ATTRIBUTE.findall(text)})


def anchors(path):
    """The names of a file's headings, as GitHub and the site spell them, and its explicit ones."""
    text = FENCED.sub("", markdown(path))
    names = set(NAMED.findall(text))
    for heading in HEADING.findall(text):
        words = re.sub(r"\]\([^)]*\)", "", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        repeats = [name, *(f"{name}-{n}" for n in range(1, 99))]
        names.add(next(free for free in repeats if free not in names))
    return names


def dead_links(path):
    """Links to files that are not there, or to headings that the file does not have."""
    return [link for link in targets(path) if not re.match(r"\w+:", link) and is_dead(path, link)]


def is_dead(path, link):
    place, _, heading = link.partition("#")
    file = path.parent / unquote(place) if place else path
    if not file.exists():
        return True
    return bool(heading) and file.suffix in (".md", ".ipynb") and heading not in anchors(file)


def own_file(address):
    """The file of this repository that an address opens on GitHub, Colab or Binder, if any."""
    if OURS not in address:
        return None
    parts = urlsplit(address)
    opened = parse_qs(parts.query).get("urlpath", [""])[0]
    found = re.fullmatch("lab/tree/(.+)", opened)
    found = found or re.search(rf"/{OURS}/(?:blob|tree)/[\w.-]+/(.+)", unquote(parts.path))
    return found and found[1]


def fault(address):
    """What is wrong with an address on the web; None if nothing is."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError as error:
        return str(error)
    if parts.scheme != "https":
        return "not https"
    if not re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", host):
        return "no host"
    if re.search(r"[.,;:'*_]$|\\|[{}|^]|//", address.removeprefix("https://")):
        return "a stray character"
    ours = address.replace(OURS, "", 1) if host in HOSTS else address
    if match := PLACEHOLDER.search(ours):
        return f"{match[0]} is to be filled in"
    if (file := own_file(address)) and not (ROOT / file).exists():
        return f"{file} is not in the repository"
    return None


def wrong_addresses(path):
    """Faulty addresses, in code too, because readers copy it, with what is wrong with each."""
    # A sentence may end right after an address, but not inside a link.
    found = {address.rstrip(".,;:") for address in ADDRESS.findall(markdown(path))}
    found |= {target for target in targets(path) if re.match(r"\w+:", target)}
    return {address: reason for address in sorted(found) if (reason := fault(address))}


@each
def test_a_link_inside_the_repository_leads_to_a_file_and_a_heading(path):
    assert dead_links(path) == []


@each
def test_a_link_to_elsewhere_is_well_formed(path):
    assert wrong_addresses(path) == {}


def test_the_files_that_people_read_are_among_those_checked():
    names = {path.relative_to(ROOT).as_posix() for path in PATHS}
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md"} <= names
    assert {f"notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb")} <= names
    assert "notebooks/00_start_here.ipynb" in targets(ROOT / "README.md")


# --------------------------------------------------------------------- each check on a wrong text


def write(folder, text, name="here.md"):
    path = folder / name
    if path.suffix == ".ipynb":
        cell = {"cell_type": "markdown", "source": text.splitlines(keepends=True)}
        text = json.dumps({"cells": [cell]})
    path.write_text(text, encoding="utf-8")
    return path


TITLED = "# One title\n\n## A *second* heading, `code`\n\n## Twice\n\n## Twice\n\n"


@pytest.mark.parametrize("name", ["here.md", "here.ipynb"])
@pytest.mark.parametrize(
    "link",
    [
        "nowhere.md",
        "nowhere.md#nothing",
        "there.md#nothing",
        "#nothing",
        "#twice-2",
        "there.md#One-title",
        "../nowhere.png",
        "folder/here.md",
    ],
)
def test_a_dead_link_is_seen(tmp_path, name, link):
    write(tmp_path, TITLED, "there.md")
    for text in (f"[words]({link})", f"![words]({link})", f'<a href="{link}">words</a>'):
        assert dead_links(write(tmp_path, TITLED + text, name)) == [link]


def test_a_dead_image_inside_a_link_is_seen(tmp_path):
    path = write(tmp_path, "[![words](nowhere.svg)](https://python.org)")
    assert dead_links(path) == ["nowhere.svg"]


@pytest.mark.parametrize(
    "text",
    [
        "[words](there.md) [words](there.md#a-second-heading-code)",
        "[words](#twice) [words](#twice-1) [words](#kept)\n\n<a id='kept'></a>",
        "`[words](nowhere.md)`",
        "```md\n[words](nowhere.md)\n```",
        '[words](<there.md>) [words](there.md "title")',
    ],
)
def test_a_live_link_is_no_dead_one(tmp_path, text):
    write(tmp_path, TITLED, "there.md")
    assert dead_links(write(tmp_path, TITLED + text)) == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://python.org", "not https"),
        ("ftp://python.org/file", "not https"),
        ("https://localhost:8888/lab", "no host"),
        ("https:///path", "no host"),
        ("https://[python.org", "Invalid IPv6 URL"),
        ("https://python.org.", "no host"),
        ("https://python.org/page,", "a stray character"),
        ("https://python.org//page", "a stray character"),
        ("https://python.org/https://python.org", "a stray character"),
        ("https://python.org/{page}", "a stray character"),
        ("https://example.com/page", "example.com is to be filled in"),
        ("https://github.com/USER/coslr", "USER is to be filled in"),
        ("https://github.com/OWNER/coslr", "OWNER is to be filled in"),
        (f"https://python.org/{'OWNER'}/REPOSITORY", "OWNER is to be filled in"),
        ("https://github.com/OWNER/REPOSITORY/blob/HEAD/gone.py", "gone.py is not in"),
        ("https://github.com/OWNER/REPOSITORY/tree/main/gone", "gone is not in"),
        ("https://colab.research.google.com/github/OWNER/REPOSITORY/blob/HEAD/a.ipynb", "a.ipynb"),
        ("https://mybinder.org/v2/gh/OWNER/REPOSITORY/HEAD?urlpath=lab/tree/a.ipynb", "a.ipynb"),
    ],
)
def test_a_wrong_address_is_seen(tmp_path, address, reason):
    ((seen, why),) = wrong_addresses(write(tmp_path, f"[words]({address})")).items()
    assert seen == address
    assert why.startswith(reason)


@pytest.mark.parametrize(
    "address",
    [
        "https://python.org",
        "https://en.wikipedia.org/wiki/Annealing_(metallurgy)",
        "https://github.com/OWNER/REPOSITORY",
        "https://github.com/OWNER/REPOSITORY/blob/HEAD/LICENSE",
        "https://mybinder.org/v2/gh/OWNER/REPOSITORY/HEAD?urlpath=lab/tree/notebooks",
    ],
)
def test_a_right_address_is_no_wrong_one(tmp_path, address):
    texts = [f"[words]({address})", f"See {address}. Then", f"<{address}>", f"`get {address} here`"]
    for text in texts:
        assert wrong_addresses(write(tmp_path, text)) == {}
        assert wrong_addresses(write(tmp_path, text.replace("https", "http"))) != {}
