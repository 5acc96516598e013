"""Make the bundled text, Jane Austen's novel "Persuasion", with the same bytes each time.

    python scripts/make_text.py FILE

FILE is the novel as plain text, for instance Project Gutenberg's number 105, or the text that the R
package janeaustenr has of it. The script drops what stands before and after the novel, joins the
lines of a paragraph, and writes the result compressed. It prints the SHA-256 of the text, which
coslr/experiments/text.py keeps as TEXT_SHA256.
"""

import gzip
import hashlib
import re
import sys
from pathlib import Path

from coslr.experiments.text import TEXT

FIRST, LAST = "Sir Walter Elliot, of Kellynch Hall", "national importance."


def cleaned(text: str) -> str:
    """The novel's paragraphs, one a line, in plain ASCII.

    >>> cleaned("By\\nSir Walter Elliot, of Kellynch Hall,\\nwas\\n\\nof national importance.\\nEn")
    'Sir Walter Elliot, of Kellynch Hall, was\\nof national importance.\\n'
    """
    text = text.replace("\r\n", "\n")
    novel = text[text.index(FIRST) : text.index(LAST) + len(LAST)]
    for fancy, plain in {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "_": ""}.items():
        novel = novel.replace(fancy, plain)
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", novel))
    whole = "".join(f"{paragraph}\n" for paragraph in paragraphs if paragraph)
    return whole.encode("ascii", "ignore").decode("ascii")


def main() -> None:
    """Write the text and print its checksum."""
    text = cleaned(Path(sys.argv[1]).read_text(encoding="utf-8")).encode("ascii")
    TEXT.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
    print(hashlib.sha256(text).hexdigest(), len(text), "characters")


if __name__ == "__main__":
    main()
