"""The small network, what is only there while it learns, and the loss."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from scipy.signal import firwin
from torch import Tensor, nn

from ecg.labels import LABELS
from ecg.models.ecgfm.architecture import Architecture
from ecg.models.ecgfm.network import EcgFm, Layer
from training.recordings import INTERVALS
from training.statements import AUXILIARY

#: ECG-FM's own network at a small size: a strided front end of 80 ms a token, and two wide pre-norm layers. Its
#: 320 channels fill 640 places of the feature vector, which has 1,075 values then.
SMALL = Architecture(
    "finetuned",
    conv_layers=((48, 10, 5), (96, 5, 2), (128, 5, 2), (160, 4, 2)),
    embed_dim=320,
    ffn_dim=640,
    n_layers=2,
    n_heads=5,
    conv_pos=16,
    conv_pos_groups=16,
    layer_norm_first=True,
    n_labels=len(LABELS),
)
#: A low-pass of 40 Hz (-6 dB) at 500 Hz, which the shipped network has in its first convolution: a recording and its
#: filtered copy come in alike.
LOW_PASS = firwin(21, 40.0, fs=500.0)
#: `SMALL` with its low-pass: 20 samples more in the kernel of its first convolution.
SHIPPED = replace(SMALL, conv_layers=((48, SMALL.conv_layers[0][1] + len(LOW_PASS) - 1, 5), *SMALL.conv_layers[1:]))
DROPOUT = 0.1
_TAKES_MAX = torch.tensor([label.aggregation == "max" for label in LABELS])


class Learner(nn.Module):
    """`network` with heads for what is learnt beside the labels. Dropout is on while `training`."""

    def __init__(self, architecture: Architecture = SMALL) -> None:
        super().__init__()
        self.network = EcgFm(architecture)
        self.beside = nn.Linear(architecture.embed_dim, len(AUXILIARY) + len(INTERVALS))
        for module in self.network.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5 * 0.7)
                nn.init.zeros_(module.bias)
        for layer in self.network.encoder.layers:
            for last in (cast(Layer, layer).self_attn.out_proj, cast(Layer, layer).fc2):
                last.register_forward_hook(self._drop)

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [n, segment, 17] of `segments` [n, segment, 12, T], and [n, beside] of the recording."""
        output = self.network(segments.flatten(0, 1))
        embedding = output.embedding.unflatten(0, segments.shape[:2])
        dropped = F.dropout(embedding, DROPOUT, self.training)
        return self._classify(dropped), self.beside(dropped.mean(1))

    def _classify(self, embedding: Tensor) -> Tensor:
        logits: Tensor = cast(nn.Linear, self.network.proj)(embedding)
        return logits

    def _drop(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return F.dropout(output, DROPOUT, self.training)


def smoothed(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of a `Learner` of `SHIPPED` that answers as that of `SMALL` does to low-passed recordings.

    A filter and a convolution are one convolution, whose kernel is the kernel filtered.
    """
    name = "network.feature_extractor.conv_layers.0.0.weight"
    kernel = parameters[name]
    taps = torch.tensor(LOW_PASS, dtype=kernel.dtype)
    wide = F.conv1d(kernel.reshape(-1, 1, kernel.shape[-1]), taps.flip(0)[None, None], padding=len(taps) - 1)
    return {**parameters, name: wide.reshape(*kernel.shape[:2], -1)}


def aggregated(logits: Tensor) -> Tensor:
    """Log odds of the recording [n, 17] from segments [n, segment, 17]: of the maximum or mean of probabilities."""
    yes = torch.logsumexp(F.logsigmoid(logits), 1)
    no = torch.logsumexp(F.logsigmoid(-logits), 1)
    return torch.where(_TAKES_MAX, logits.amax(1), yes - no)


@dataclass(frozen=True)
class Batch:
    """Recordings `signal` [n, 12, 5000] with what is known of them; NaN where it is not known.

    `labels` [n, 17] and `auxiliary` [n, len(AUXILIARY)] are 0 or 1, `intervals` [n, len(INTERVALS)] are scaled.
    """

    signal: Tensor
    labels: Tensor
    auxiliary: Tensor
    intervals: Tensor


#: How much two answers about one recording may not differ, against being right.
AGREEMENT_WEIGHT = 4.0


def loss(logits: Tensor, beside: Tensor, batch: Batch, pairs: int = 0) -> tuple[Tensor, Tensor]:
    """The mean loss of a batch on its labels, and with what is learnt beside them. NaN targets count for nothing.

    The first `pairs` recordings are the next `pairs`, too, changed in another way: the probabilities of both are to
    agree whatever the filter, the rate and the noise are (R-Drop, Liang et al. 2021, arXiv 2106.14448, with squared
    differences).
    """
    odds = aggregated(logits)
    main = _cross_entropy(odds, batch.labels)
    codes = _cross_entropy(beside[:, : len(AUXILIARY)], batch.auxiliary)
    known = ~batch.intervals.isnan()
    given = batch.intervals.nan_to_num()
    distance = F.smooth_l1_loss(beside[:, len(AUXILIARY) :], given, reduction="none", beta=0.3)
    total = main + 0.3 * codes + 0.25 * (distance * known).sum() / known.sum().clamp(min=1)
    if pairs:
        said = odds.sigmoid()
        total = total + AGREEMENT_WEIGHT * (said[:pairs] - said[pairs : 2 * pairs]).square().mean()
    return main, total


def _cross_entropy(odds: Tensor, targets: Tensor) -> Tensor:
    known = ~targets.isnan()
    each = F.binary_cross_entropy_with_logits(odds, targets.nan_to_num(), reduction="none")
    # Per label, so that one that is seldom known weighs as much as the others.
    return ((each * known).sum(0) / known.sum(0).clamp(min=1)).sum() / targets.shape[1]


class Average:
    """An exponential moving average of a module's parameters, which is what is judged and shipped."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def update(self, module: nn.Module, step: int) -> None:
        """Take in the parameters after `step`; the first steps are forgotten sooner."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in module.state_dict().items():
                self.values[name].lerp_(value, 1 - decay)

    @contextmanager
    def inside(self, module: nn.Module) -> Iterator[nn.Module]:
        """`module` with the averaged parameters, in evaluation mode, for as long as the context lasts."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        was_training = module.training
        module.load_state_dict(self.values)
        module.eval()
        try:
            yield module
        finally:
            module.load_state_dict(own)
            module.train(was_training)
