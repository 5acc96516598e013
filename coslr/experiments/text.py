"""A novel as a data set: predict the next character from those before it.

The novel is Jane Austen's "Persuasion" (1818), which is in the public domain: 460,000 characters, a
paragraph a line. Training, validation and test characters are three stretches of it, one after the
other, so that none is in two of them.
"""

import dataclasses
import gzip
import hashlib
import itertools
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from coslr._arguments import require, require_type, whole
from coslr._optional import extra
from coslr.experiments.data import DataError

with extra("train"):
    import torch

TEXT = Path(__file__).parent / "samples" / "persuasion.txt.gz"
TEXT_SHA256 = "37b651817cbec1b8897525a9d7277927559a9399364dcf29a0a760e415df868f"

# The stretches, as shares of the novel.
VALIDATION, TEST = 0.90, 0.95


@lru_cache(maxsize=1)
def novel() -> str:
    """The whole text.

    Raises:
        DataError: the file is missing or altered.

    Example:
        >>> novel()[:35]
        'Sir Walter Elliot, of Kellynch Hall'
    """
    try:
        content = gzip.decompress(TEXT.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{TEXT.name} is missing or damaged: install coslr again") from error
    if hashlib.sha256(content).hexdigest() != TEXT_SHA256:
        raise DataError(f"{TEXT.name} is not the one that belongs to coslr: install it again")
    return content.decode("ascii")


@dataclass(frozen=True, eq=False)
class Characters:
    """A training and a test set of windows of characters, as numbers.

    Attributes:
        x_train, x_test: windows, int64, (n, context): each a stretch of the text.
        y_train, y_test: the same, one character later.
        alphabet: all characters; a number is a place in it.
        per_epoch: how many windows an epoch draws, each with its own random place in the text.
    """

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    alphabet: str
    per_epoch: int

    def training_set(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Windows and their answers for an evaluation.

        They are spread evenly over the training text, and about as many as in the test set, because
        an evaluation of the whole text takes as long as hundreds of updates.
        """
        step = max(len(self.x_train) // len(self.x_test), self.x_train.shape[1])
        return self.x_train[::step], self.y_train[::step]

    def to(self, device: torch.device | str) -> "Characters":
        """The same on another device."""
        moved = {
            name: getattr(self, name).to(device)
            for name in ("x_train", "y_train", "x_test", "y_test")
        }
        return dataclasses.replace(self, **moved)

    def encode(self, text: str) -> torch.Tensor:
        """Numbers, int64, (len(text),).

        Raises:
            ValueError: a character that is not in the alphabet.
        """
        unknown = sorted(set(text) - set(self.alphabet))
        require(not unknown, "text", unknown, f"characters of the alphabet, {self.alphabet!r}")
        return torch.tensor([self.alphabet.index(character) for character in text])

    def decode(self, numbers: torch.Tensor) -> str:
        """The text of a row of numbers."""
        return "".join(self.alphabet[number] for number in numbers.tolist())


@dataclass(frozen=True)
class Excerpt:
    """Which characters a trial trains on, chooses by, and reports on.

    Attributes:
        context: how many characters the model sees at most, from 1.
        n_train: windows in an epoch. An epoch is no pass through the novel, but so many draws.
        size: the same as `context`; models take it under this name.

    Raises:
        TypeError, ValueError: the argument, its value, and what would be right.
    """

    context: int = 64
    n_train: int = 1600

    def __post_init__(self) -> None:
        for name in ("context", "n_train"):
            object.__setattr__(self, name, whole(name, getattr(self, name)))

    @property
    def size(self) -> int:
        """The context."""
        return self.context

    def load(self) -> tuple[Characters, Characters]:
        """The text, twice: with the validation stretch in place of the test set, and as it is.

        Example:
            >>> choose, report = Excerpt(context=16).load()
            >>> choose.decode(choose.x_train[0]), choose.decode(choose.y_train[0])
            ('Sir Walter Ellio', 'ir Walter Elliot')
            >>> bool((choose.x_test[0] == report.x_test[0]).all())
            False
        """
        text = novel()
        alphabet = "".join(sorted(set(text)))
        ends = (0, int(VALIDATION * len(text)), int(TEST * len(text)), len(text))
        places = {character: i for i, character in enumerate(alphabet)}
        numbers = torch.tensor([places[character] for character in text])
        train, validation, test = (numbers[begin:end] for begin, end in itertools.pairwise(ends))
        # Training windows begin at every character and share the memory of the text.
        x_train, y_train = self._windows(train, step=1)
        right = f"at most {len(x_train)}, the number of windows in the training text"
        require(self.n_train <= len(x_train), "n_train", self.n_train, right)
        choose, report = (
            Characters(x_train, y_train, *self._windows(part, self.context), alphabet, self.n_train)
            for part in (validation, test)
        )
        return choose, report

    def _windows(self, part: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        right = f"at most {len(part) - 1}, which is less than a stretch of the text"
        require(self.context < len(part), "context", self.context, right)
        return part[:-1].unfold(0, self.context, step), part[1:].unfold(0, self.context, step)


def write(model: torch.nn.Module, data: Characters, start: str, length: int, seed: int = 0) -> str:
    """Let a model go on with a text, one character at a time, each drawn from its prediction.

    Args:
        model: from numbers (n, characters) to scores (n, characters, alphabet).
        data: whose alphabet and context the model has.
        start: how the text begins, at least one character.
        length: how many characters are added, from 0.
        seed: of the draws.

    Returns:
        The start and what follows.

    Example:
        A model that knows nothing but the alphabet draws any character:

        >>> data, _ = Excerpt(context=8).load()
        >>> uniform = lambda x: torch.zeros(*x.shape, len(data.alphabet))
        >>> len(write(uniform, data, "Anne", 10))
        14
    """
    require_type(isinstance(start, str), "start", start, "a text")
    require(len(start) > 0, "start", start, "at least one character")
    length = whole("length", length, least=0)
    context = data.x_train.shape[1]
    draw = torch.Generator().manual_seed(seed)
    numbers = data.encode(start)[None].to(data.x_train.device)
    with torch.no_grad():
        for _ in range(length):
            scores = model(numbers[:, -context:])[:, -1].cpu()
            following = torch.multinomial(scores.softmax(-1), 1, generator=draw)
            numbers = torch.cat([numbers, following.to(numbers.device)], dim=1)
    return data.decode(numbers[0])
