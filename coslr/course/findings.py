"""What the notebooks found, kept for the last one, which puts all verdicts into one table.

A notebook keeps its comparisons under keys, in one file for each set of seeds. The files lie in the
folder of the studies. The authors' own, from three sets of seeds, lie beside the notebooks. So the
table is never empty, and a verdict that flips from one set to another is seen:
`coslr.course.first_claims` calls it undecided.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from coslr.course.scale import first_seed, full
from coslr.experiments.comparisons import Comparison
from coslr.experiments.studies import study_folder


def keep(
    notebook: str, found: Mapping[str, Comparison], folder: str | os.PathLike[str] | None = None
) -> Path | None:
    """Write down what a notebook found with its set of seeds. A later run replaces the file.

    Args:
        notebook: the notebook's name, such as "06_warm_restarts".
        found: key -> comparison.
        folder: where to write; None is `own_folder()`.

    Returns:
        The file, or None if nothing can be written there. The notebook goes on without it.

    Example:
        >>> import tempfile
        >>> gain = Comparison("cosine", "step", 0.1, 0.2, "test_accuracy", 0.0065, 0.004, 0.009, 8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = keep("05_train_a_cnn", {"cosine-step": gain}, folder)
        ...     print(file.name, load(folder)["cosine-step"][0])
        05_train_a_cnn-seeds0.json better by 0.4 to 0.9 points, n=8
    """
    folder = own_folder() if folder is None else Path(folder)
    scale = "-full" if full() else ""
    file = folder / f"{notebook}-seeds{first_seed()}{scale}.json"
    content = {key: dataclasses.asdict(comparison) for key, comparison in found.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError:
        return None
    return file


def load(*folders: str | os.PathLike[str]) -> dict[str, dict[int, Comparison]]:
    """Everything that was kept.

    Args:
        folders: where to look; with none, in `own_folder()`. A later folder replaces what an
            earlier one says of the same key and set: name the authors' first, then the reader's.

    Returns:
        Key -> first seed of the set -> comparison.

    Raises:
        ValueError: a file is not as `keep` writes it.
    """
    found: dict[str, dict[int, Comparison]] = {}
    scale = "-full" if full() else ""
    for folder in folders or (own_folder(),):
        for file in sorted(Path(folder).glob(f"*-seeds*{scale}.json")):
            name, _, seeds = file.stem.removesuffix(scale).rpartition("-seeds")
            if not seeds.isdecimal():  # the file is from the other scale
                continue
            try:
                content = json.loads(file.read_text(encoding="utf-8"))
                for key, values in content.items():
                    found.setdefault(key, {})[int(seeds)] = Comparison(**values)
            except (ValueError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"{file} is damaged ({error}): delete it and run {name}"
                ) from error
    return found


def own_folder() -> Path:
    """Where this machine keeps its findings: ``findings`` in the folder of the studies."""
    return study_folder() / "findings"
