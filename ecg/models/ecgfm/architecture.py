"""Sizes and switches of one ECG-FM network, without torch."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from ecg.errors import CheckpointRejected

Kind = Literal["finetuned", "pretrained"]
#: Channels of the published networks' embedding, for which the feature vector has places.
PUBLISHED_WIDTH = 768

_NUMBERS = r"\(\s*\d{1,5}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)"
_CONV_TERM = rf"\[\s*({_NUMBERS}(?:\s*,\s*{_NUMBERS})*)\s*,?\s*\](?:\s*\*\s*(\d{{1,2}}))?"
_CONV_SUM = re.compile(rf"\s*{_CONV_TERM}(?:\s*\+\s*{_CONV_TERM})*\s*")


_MOST_LAYERS = 64
_WIDEST = 16384


@dataclass(frozen=True)
class Architecture:
    """What tells one ECG-FM network from another; the defaults are the published full-size checkpoints.

    Attributes
    ----------
    kind
        ``"finetuned"``: encoder and classifier. ``"pretrained"``: encoder only.
    conv_layers
        (channels, kernel, stride) of each convolution block in front of the transformer.
    n_labels
        Width of the classifier; 0 for a pretrained encoder.
    """

    kind: Kind
    n_leads: int = 12
    conv_layers: tuple[tuple[int, int, int], ...] = ((256, 2, 2),) * 4
    embed_dim: int = PUBLISHED_WIDTH
    ffn_dim: int = 3072
    n_layers: int = 12
    n_heads: int = 12
    conv_pos: int = 128
    conv_pos_groups: int = 16
    layer_norm_first: bool = False
    n_labels: int = 17

    def __post_init__(self) -> None:
        sizes = (
            self.n_leads,
            self.embed_dim,
            self.ffn_dim,
            self.n_layers,
            self.n_heads,
            self.conv_pos,
            self.conv_pos_groups,
            *(n for layer in self.conv_layers for n in layer),
        )
        # The bounds keep a hostile file from asking for a network that takes for ever to build.
        if (
            self.kind not in ("finetuned", "pretrained")
            or not 1 <= len(self.conv_layers) <= _MOST_LAYERS
            or not 1 <= min(sizes) <= max(sizes) <= _WIDEST
            or self.n_layers > _MOST_LAYERS
            or not 0 <= self.n_labels <= _WIDEST
        ):
            raise CheckpointRejected(
                "The architecture is not one of ECG-FM's.", "cfg.model", "sizes of a network like it", str(self)
            )
        if (self.n_labels > 0) != (self.kind == "finetuned"):
            raise CheckpointRejected(
                f"A {self.kind} network with {self.n_labels} labels does not exist.", "num_labels", None, self.n_labels
            )
        if self.embed_dim % self.n_heads or self.embed_dim % self.conv_pos_groups:
            raise CheckpointRejected(
                f"{self.embed_dim} channels do not divide into {self.n_heads} heads and {self.conv_pos_groups} groups.",
                "cfg.model",
                "divisors of the embedding width",
                [self.n_heads, self.conv_pos_groups],
            )

    @property
    def min_samples(self) -> int:
        """Shortest input that gives one token."""
        samples = 1
        for _, kernel, stride in reversed(self.conv_layers):
            samples = (samples - 1) * stride + kernel
        return samples

    def n_tokens(self, n_samples: int) -> int:
        """Tokens for an input of `n_samples`: 156 for 2500."""
        for _, kernel, stride in self.conv_layers:
            n_samples = (n_samples - kernel) // stride + 1
        return n_samples

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for file metadata."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; `CheckpointRejected` for anything else."""
        try:
            conv_layers = tuple((int(c), int(k), int(s)) for c, k, s in fields["conv_layers"])
            return cls(**{**fields, "conv_layers": conv_layers})
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointRejected(
                "The architecture written in the file cannot be read.", "metadata.architecture", None, str(error)
            ) from error


def parse_conv_layers(text: str) -> tuple[tuple[int, int, int], ...]:
    """(channels, kernel, stride) of each block, from fairseq's notation such as ``"[(256, 2, 2)] * 4"``.

    fairseq evaluates this string as Python. Here it is a grammar: terms of the form ``[(c, k, s), …]`` or
    ``[(c, k, s), …] * n``, joined by ``+``. Raises `CheckpointRejected` for anything else.
    """
    if not _CONV_SUM.fullmatch(text):
        raise CheckpointRejected(
            "The convolution sizes are not in a form that is understood.",
            "cfg.model.conv_feature_layers",
            "[(256, 2, 2)] * 4",
            text[:200],
        )
    layers: list[tuple[int, int, int]] = []
    for triples, times in re.findall(_CONV_TERM, text):
        block = [(int(c), int(k), int(s)) for c, k, s in re.findall(r"(\d+)\s*,\s*(\d+)\s*,\s*(\d+)", triples)]
        layers += block * int(times or 1)
    return tuple(layers)
