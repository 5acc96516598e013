"""What the notebooks found, kept for the last one, which puts all verdicts into one table.

A notebook keeps its comparisons under keys; each goes to a file in the folder of the studies. The
authors' own, from three sets of seeds, are beside the notebooks, so that the table is never empty
and a verdict that flips from one set to another is seen; `coslr.course.claims` calls it undecided.
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
    """Write down what a notebook found, for its set of seeds; a later run replaces it.

    Args:
        notebook: its name, such as "05_warm_restarts".
        found: key -> comparison.
        folder: None is `own_folder()`.

    Returns:
        The file, or None where nothing can be written there: the notebook itself loses nothing by
        that.

    Example:
        >>> import tempfile
        >>> gain = Comparison("cosine", "step", 0.1, 0.2, "test_accuracy", 0.0065, 0.004, 0.009, 8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = keep("04_train_a_cnn", {"cosine-step": gain}, folder)
        ...     print(file.name, load(folder)["cosine-step"][0])
        04_train_a_cnn-seeds0.json better by 0.4 to 0.9 points, n=8
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
    """All that was kept: key -> first seed of the set -> comparison.

    Args:
        folders: where to look, the later ones first in rank: the authors' folder, say, and then the
            reader's; none is `own_folder()`.

    Raises:
        ValueError: a file that is not as `keep` writes them.
    """
    found: dict[str, dict[int, Comparison]] = {}
    scale = "-full" if full() else ""
    for folder in folders or (own_folder(),):
        for file in sorted(Path(folder).glob(f"*-seeds*{scale}.json")):
            name, _, seeds = file.stem.removesuffix(scale).rpartition("-seeds")
            if not seeds.isdecimal():  # of the other scale
                continue
            try:
                content = json.loads(file.read_text(encoding="utf-8"))
                for key, values in content.items():
                    found.setdefault(key, {})[int(seeds)] = Comparison(**values)
            except (ValueError, TypeError, AttributeError) as error:
                raise ValueError(f"{file} is damaged ({error}): delete it, run {name}") from error
    return found


def own_folder() -> Path:
    """Where this machine keeps its findings: ``findings`` in the folder of the studies."""
    return study_folder() / "findings"
