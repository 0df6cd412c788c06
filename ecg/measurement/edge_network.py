"""QRS onset and offset of each lead by a small convolutional network, run with numpy.

The network sees one lead of a beat and, averaged, all the others. For each sample it answers two questions: is the
QRS onset past, and is the QRS offset still to come? An edge is where that many samples say so. It was trained on
cardiologists' marks in single leads of LUDB (`training/edges.py`, which also writes the weights beside this module).
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ecg.dsp import median
from ecg.filters import Float, Single

WEIGHTS = "edge_network.npz"
STEP = 2  # samples of the beat, 4 ms, from one of the network's samples to the next
FIRST = -120  # samples from R to the first one, 240 ms before
LAST = 180  # and to the one after the last, 360 ms after
TAPS = 7
DILATIONS = (1, 1, 2, 4, 4, 8)
MEETS = 4  # the layer at which each lead meets the mean over the leads
_PAD = TAPS // 2 * max(DILATIONS)
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of one network, batch normalisation folded in.

    Attributes
    ----------
    kernels
        float32 [out, TAPS * in] of each hidden layer, the taps outermost.
    mean_kernel
        float32 [out, TAPS * in] for the mean over the leads in layer `MEETS`.
    biases
        float32 [out, 1] of each hidden layer.
    head
        float32 [2, in], the last layer's weights.
    head_bias
        float32 [2, 1].
    """

    kernels: tuple[Single, ...]
    mean_kernel: Single
    biases: tuple[Single, ...]
    head: Single
    head_bias: Single


@lru_cache(maxsize=1)
def network() -> Network:
    """The network of the file beside this module, read once."""
    with resources.files("ecg.measurement").joinpath(WEIGHTS).open("rb") as file, np.load(file) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    kernels = [arrays[f"kernel{layer}"] for layer in range(len(DILATIONS))]
    # The channels of a tap are those of the lead and then those of the mean, which is the same for every lead.
    width = len(kernels[MEETS])
    own, mean = np.split(kernels[MEETS].reshape(width, TAPS, 2, -1), 2, axis=2)
    kernels[MEETS] = own.reshape(width, -1)
    return Network(
        tuple(kernels),
        mean.reshape(width, -1),
        tuple(arrays[f"bias{layer}"][:, None] for layer in range(len(DILATIONS))),
        arrays["head"],
        arrays["head_bias"][:, None],
    )


def lead_edges(smooth: Float, r: int) -> tuple[Float, Float]:
    """QRS onset and offset of every lead of a beat [lead, sample] at 500 Hz with R at `r`, float64 [lead] samples.

    The beat is low-passed at 40 Hz.
    """
    at = np.clip(np.arange(r + FIRST, r + LAST, STEP), 0, smooth.shape[1] - 1)
    masks = _masks(network(), channels(smooth[:, at].astype(np.float32)))
    past, to_come = STEP * masks.sum(axis=2, dtype=np.float64)
    return r + LAST - STEP / 2 - past, r + FIRST - STEP / 2 + to_come


def channels(wave: Single) -> Single:
    """What the network sees of a beat [lead, sample]: float32 [lead, channel, sample].

    Each lead is turned so that its larger deflection is upright. The channels are the lead over its own height, its
    slope, the lead over the median height of all leads, the spatial velocity, its logarithm, and the root mean square
    over the leads.
    """
    height = np.maximum(np.ptp(wave, axis=1, keepdims=True), _TINY)
    wave = wave - median(wave)[:, None]
    wave *= np.where(wave.max(axis=1) >= -wave.min(axis=1), np.float32(1.0), np.float32(-1.0))[:, None]
    usual = max(float(median(height, axis=0)[0]), _TINY)
    slope = np.zeros_like(wave)
    slope[:, 1:-1] = (wave[:, 2:] - wave[:, :-2]) / 2
    velocity = np.sqrt(((slope / usual) ** 2).mean(axis=0))
    velocity /= max(float(velocity.max()), _TINY)
    size = np.sqrt(((wave / usual) ** 2).mean(axis=0))
    seen = np.empty((len(wave), 6, wave.shape[1]), dtype=np.float32)
    seen[:, 0], seen[:, 1], seen[:, 2] = wave / height, 4 * slope / height, wave / usual
    seen[:, 3], seen[:, 4], seen[:, 5] = velocity, np.log10(velocity + 1e-3), size
    return seen


def _masks(network: Network, features: Single) -> Single:
    """Probability at each sample that the onset is past and that the offset is to come, float32 [2, lead, sample]."""
    n_leads, n_channels, n = features.shape
    width = len(network.biases[0])
    # What goes into a layer, with zeros beyond its ends. Each layer writes over the one before.
    padded = np.zeros((width, n_leads, n + 2 * _PAD), dtype=np.float32)
    hidden = padded[:, :, _PAD : _PAD + n]
    hidden[:n_channels] = features.transpose(1, 0, 2)
    early = hidden
    columns = np.empty(TAPS * width * n_leads * n, dtype=np.float32)
    for layer, (kernel, bias, dilation) in enumerate(zip(network.kernels, network.biases, DILATIONS, strict=True)):
        seen = padded[:n_channels] if layer == 0 else padded
        out = (kernel @ _columns(seen, dilation, columns)).reshape(width, n_leads, n)
        if layer == MEETS:  # each lead meets the mean over the leads
            mean = padded.mean(axis=1, keepdims=True)
            out += (network.mean_kernel @ _columns(mean, dilation, columns))[:, None]
        out += bias[:, None]
        np.maximum(out, 0.0, out=hidden)
        if layer == 1:
            early = hidden.copy()
    both = network.head @ np.concatenate([hidden, early]).reshape(2 * width, -1)
    masks: Single = 1.0 / (1.0 + np.exp(-(both + network.head_bias)))
    return masks.reshape(2, n_leads, n)


def _columns(padded: Single, dilation: int, memory: Single) -> Single:
    """The factors of a convolution along the samples of [channel, lead, sample], [tap * channel, lead * sample].

    They are written into the flat `memory`, which serves every layer.
    """
    n_channels, n_leads, n_padded = padded.shape
    n = n_padded - 2 * _PAD
    by_channel, by_lead, by_sample = padded.strides
    taps = as_strided(
        padded[:, :, _PAD - TAPS // 2 * dilation :],
        (TAPS, n_channels, n_leads, n),
        (dilation * by_sample, by_channel, by_lead, by_sample),
        writeable=False,
    )
    columns = memory[: taps.size].reshape(taps.shape)
    np.copyto(columns, taps)
    return columns.reshape(TAPS * n_channels, n_leads * n)
