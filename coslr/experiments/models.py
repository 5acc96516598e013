"""The small networks that the course trains: a CNN, a GRU that reads an image row by row, and a
Transformer that reads a text.

All are small enough that a training run takes seconds on a laptop's processor, and all take their
first weights from `seed` alone: they neither use nor change PyTorch's global random state.
"""

from coslr._arguments import require, whole
from coslr._optional import extra
from coslr.experiments.randomness import seeded

with extra("train"):
    import torch
    from torch import nn
    from torch.nn.functional import gelu, scaled_dot_product_attention

ALPHABET = 75  # characters in `coslr.experiments.text.novel`


def _check_size(size: int) -> int:
    right = "28 or 14 (pixels on a side)"
    size = whole("size", size, right)
    require(size in (14, 28), "size", size, right)
    return size


class SmallCNN(nn.Module):
    """A convolutional network for grey images in ten classes: (n, 1, size, size) -> (n, 10).

    Three 3x3 convolutions have 8, 16 and 32 channels. Batch normalisation and ReLU follow each of
    them, and 2x2 max-pooling the first two. The result, averaged down to 3x3, goes through a linear
    layer. The 8,834 parameters have the same shapes for both sizes. The network is that small
    because the course trains it a thousand times.

    Args:
        size: pixels on a side of the images, 28 or 14.
        seed: where the initial weights come from: equal seeds give equal weights, for both sizes.
        normalised: whether batch normalisation follows the convolutions. Without it they have
            biases of their own, and the same number of parameters less 56.

    Raises:
        ValueError, TypeError: another size; a seed that is not a whole number from 0 to 2**32 - 1.

    Example:
        >>> import torch
        >>> model = SmallCNN(size=14, seed=0)
        >>> model(torch.zeros(5, 1, 14, 14)).shape
        torch.Size([5, 10])
        >>> sum(p.numel() for p in model.parameters())
        8834
    """

    def __init__(self, size: int = 28, seed: int = 0, normalised: bool = True) -> None:
        super().__init__()
        self.size = _check_size(size)

        def block(channels_in: int, channels: int) -> list[nn.Module]:
            # Batch normalisation has its own offset, so the convolution needs no bias.
            convolution = nn.Conv2d(channels_in, channels, 3, padding=1, bias=not normalised)
            norm = [nn.BatchNorm2d(channels)] if normalised else []
            return [convolution, *norm, nn.ReLU(inplace=True)]

        # Two max-poolings leave 7x7 of 28x28 pixels, and 3x3 of 14x14, which needs no averaging.
        # The placeholder keeps the names of the weights the same for both sizes.
        to_3x3 = nn.AdaptiveAvgPool2d(3) if size == 28 else nn.Identity()
        with seeded(seed):
            self.layers = nn.Sequential(
                *block(1, 8),
                nn.MaxPool2d(2),
                *block(8, 16),
                nn.MaxPool2d(2),
                *block(16, 32),
                to_3x3,
                nn.Flatten(),
                nn.Linear(32 * 3 * 3, 10),
            )
        # On a CPU, channels-last memory gives the same results in two thirds of the time.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Ten unnormalised class scores (logits) for each image."""
        scores: torch.Tensor = self.layers(x)
        return scores


def plain_cnn(size: int = 28, seed: int = 0) -> SmallCNN:
    """`SmallCNN` without batch normalisation. PyTorch's first weights start it on flat ground.

    >>> sum(p.numel() for p in plain_cnn(size=14).parameters())
    8778
    """
    return SmallCNN(size, seed, normalised=False)


class SmallGRU(nn.Module):
    """A recurrent network that reads an image row by row: (n, 1, size, size) -> (n, 10).

    Each row of pixels, from the top, is one step of a GRU (Cho et al., "Learning Phrase
    Representations using RNN Encoder-Decoder for Statistical Machine Translation", EMNLP 2014). The
    GRU's state after the last row goes through a linear layer.

    Args:
        size: pixels on a side of the images, 28 or 14.
        hidden: width of the GRU's state, at least 1.
        seed: where the initial weights come from: equal seeds give equal weights.

    Raises:
        ValueError, TypeError: another size; a width below 1; a seed that is not a whole number from
            0 to 2**32 - 1.

    Example:
        >>> import torch
        >>> SmallGRU(size=14, hidden=32)(torch.zeros(5, 1, 14, 14)).shape
        torch.Size([5, 10])
    """

    def __init__(self, size: int = 28, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.size = _check_size(size)
        hidden = whole("hidden", hidden)
        with seeded(seed):
            self.gru = nn.GRU(input_size=self.size, hidden_size=hidden, batch_first=True)
            self.head = nn.Linear(hidden, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Ten unnormalised class scores (logits) for each image."""
        _, state = self.gru(x.squeeze(1))
        scores: torch.Tensor = self.head(state[-1])
        return scores


class SmallTransformer(nn.Module):
    """A Transformer that predicts the next character: (n, characters) -> (n, characters, alphabet).

    Two blocks of causal self-attention and a two-layer perceptron, 64 wide. Positions are learned.
    Layer normalisation stands before each part of a block ("pre", as in GPT-2) or after it ("post",
    as in the first Transformer). 113,867 parameters.

    Sources: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; Radford et al., "Language
    Models are Unsupervised Multitask Learners", 2019, for the initial weights; Xiong et al., "On
    Layer Normalization in the Transformer Architecture", ICML 2020, for what its place changes.

    Args:
        size: the context, how many characters it can look back on, at least 1.
        seed: where the initial weights come from: equal seeds give equal weights.
        norm: "pre" or "post".

    Raises:
        ValueError, TypeError: the argument, its value, and what would be right.

    Example:
        >>> import torch
        >>> model = SmallTransformer(size=64, seed=0)
        >>> model(torch.zeros(2, 10, dtype=torch.int64)).shape
        torch.Size([2, 10, 75])
        >>> sum(p.numel() for p in model.parameters())
        113867
    """

    def __init__(self, size: int = 64, seed: int = 0, norm: str = "pre") -> None:
        super().__init__()
        self.size = whole("size", size)
        require(norm in ("pre", "post"), "norm", norm, '"pre" or "post"')
        width, blocks = 64, 2
        with seeded(seed):
            self.characters = nn.Embedding(ALPHABET, width)
            self.positions = nn.Embedding(self.size, width)
            layers = [_Block(width, norm) for _ in range(blocks)]
            self.blocks = nn.Sequential(*layers)
            self.last = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
            self.head = nn.Linear(width, ALPHABET)
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Embedding):
                    nn.init.normal_(module.weight, std=0.02)
                if isinstance(module, nn.Linear):
                    nn.init.zeros_(module.bias)
            # What a block adds is scaled down, so that the sum does not grow with the depth.
            for layer in layers:
                for linear in (layer.out, layer.shrink):
                    nn.init.normal_(linear.weight, std=0.02 / (2 * blocks) ** 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Unnormalised scores (logits) of the next character, after each one."""
        places = torch.arange(x.shape[1], device=x.device)
        scores: torch.Tensor = self.head(
            self.last(self.blocks(self.characters(x) + self.positions(places)))
        )
        return scores


class _Block(nn.Module):
    """Causal self-attention with four heads, then a perceptron; each adds to its input."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.norm = norm
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.norm == "pre":
            x = x + self.attention(self.norm1(x))
            return x + self.perceptron(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        y: torch.Tensor = self.norm2(x + self.perceptron(x))
        return y

    def perceptron(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.shrink(gelu(self.grow(x)))
        return y

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.shape
        # (n, heads, length, width / heads) for each of query, key and value
        q, k, v = self.qkv(x).view(n, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        y: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(n, length, width))
        return y


def post_norm_transformer(size: int = 64, seed: int = 0) -> SmallTransformer:
    """`SmallTransformer` with layer normalisation after each part of a block."""
    return SmallTransformer(size, seed, norm="post")
