"""The two small networks that the course trains: a CNN, and a GRU that reads an image row by row.

Both are small enough that a training run takes seconds on a laptop's processor, and both take their
first weights from `seed` alone: the global random state of PyTorch is neither used nor changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The CPU's global random numbers start from `seed` inside and are put back afterwards."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an int, not {seed!r}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the GPUs too
        yield


def _check_size(size: int) -> int:
    if size not in (14, 28):
        raise ValueError(f"size must be 28 or 14 (pixels on a side), not {size!r}")
    return size


class SmallCNN(nn.Module):
    """A convolutional network for grey images in ten classes: (n, 1, size, size) -> (n, 10).

    Three 3x3 convolutions of 8, 16 and 32 channels, each followed by batch normalisation and
    ReLU; 2x2 max-pooling in between; then averaging down to 3x3 and a linear layer. 8,834
    parameters, of the same shapes for both sizes: small, because the course trains it a thousand
    times.

    Args:
        size: 28 or 14, the images' pixels on a side.
        seed: where the initial weights come from: equal seeds, equal weights.

    Raises:
        ValueError, TypeError: another size; a seed that is not an int.

    Example:
        >>> import torch
        >>> model = SmallCNN(size=14, seed=0)
        >>> model(torch.zeros(5, 1, 14, 14)).shape
        torch.Size([5, 10])
        >>> sum(p.numel() for p in model.parameters())
        8834
    """

    def __init__(self, size: int = 28, seed: int = 0) -> None:
        super().__init__()
        self.size = _check_size(size)

        def block(channels_in: int, channels: int) -> list[nn.Module]:
            # Batch normalisation has its own offset, so the convolution needs no bias.
            convolution = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
            return [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]

        with _seeded(seed):
            self.layers = nn.Sequential(
                *block(1, 8),
                nn.MaxPool2d(2),
                *block(8, 16),
                nn.MaxPool2d(2),
                *block(16, 32),
                nn.AdaptiveAvgPool2d(3),
                nn.Flatten(),
                nn.Linear(32 * 3 * 3, 10),
            )
        # Channels last in memory: on a CPU the same results in two thirds of the time.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Ten unnormalised class scores (logits) for each image."""
        scores: torch.Tensor = self.layers(x)
        return scores


class SmallGRU(nn.Module):
    """A recurrent network that reads an image row by row: (n, 1, size, size) -> (n, 10).

    Each row of pixels, from the top, is one step of a GRU (Cho et al., "Learning Phrase
    Representations using RNN Encoder-Decoder for Statistical Machine Translation", EMNLP 2014); its
    state after the last row goes through a linear layer.

    Args:
        size: 28 or 14, the images' pixels on a side.
        hidden: width of the GRU's state, at least 1.
        seed: where the initial weights come from: equal seeds, equal weights.

    Raises:
        ValueError, TypeError: another size; a width below 1; a width or seed that is not an int.

    Example:
        >>> import torch
        >>> SmallGRU(size=14, hidden=32)(torch.zeros(5, 1, 14, 14)).shape
        torch.Size([5, 10])
    """

    def __init__(self, size: int = 28, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.size = _check_size(size)
        if isinstance(hidden, bool) or not isinstance(hidden, int):
            raise TypeError(f"hidden must be an int, not {hidden!r}")
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {hidden}")
        with _seeded(seed):
            self.gru = nn.GRU(input_size=size, hidden_size=hidden, batch_first=True)
            self.head = nn.Linear(hidden, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Ten unnormalised class scores (logits) for each image."""
        _, state = self.gru(x.squeeze(1))
        scores: torch.Tensor = self.head(state[-1])
        return scores
