"""Copies of a batch as other devices would have written them: other filters, rates, noise, faults. On torch tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ecg.models.ecgfm.preparation import MODEL_FS_HZ, SEGMENT_SAMPLES

_RATES = (100.0, 125.0, 200.0, 250.0, 250.0)


@dataclass(frozen=True)
class Strength:
    """How often each change is made; 0 leaves recordings as they are."""

    low_pass: float = 0.5
    high_pass: float = 0.3
    rate: float = 0.4
    noise: float = 0.4
    hum: float = 0.15
    wander: float = 0.25
    lost_leads: float = 0.25


def augmented(recordings: Tensor, generator: torch.Generator, strength: Strength) -> Tensor:
    """Two five-second segments of each changed recording: float32 [n, 2, 12, 2500] of standardised [n, 12, 5000].

    The first begins in the first second, the second in the last one but five, so that nearly all of it is seen.
    """
    n, leads, samples = recordings.shape

    def chosen(share: float) -> Tensor:
        return torch.rand(n, generator=generator) < share

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    spectrum = torch.fft.rfft(recordings)
    hz = torch.fft.rfftfreq(samples, 1 / MODEL_FS_HZ)
    noisy = chosen(strength.noise)
    if noisy.any():  # muscle: white above some 15 Hz, its size differing from lead to lead
        white = torch.randn(int(noisy.sum()), leads, samples, generator=generator)
        size = uniform(0.01, 0.25, int(noisy.sum()), 1, 1) * uniform(0.3, 1.7, int(noisy.sum()), leads, 1)
        spectrum[noisy] += torch.fft.rfft(white * size) * (hz / (hz + 15.0))
    gain = torch.ones(n, 1, len(hz))
    low = torch.where(chosen(0.5), torch.full((n,), 40.0), uniform(25, 150, n))[:, None, None]
    gain = torch.where(chosen(strength.low_pass)[:, None, None], (1 + (hz / low) ** 4).rsqrt() ** 2, gain)
    high = uniform(0.05, 0.67, n)[:, None, None]
    gain = gain * torch.where(
        chosen(strength.high_pass)[:, None, None], 1 - (1 + (hz / high) ** 4).reciprocal(), torch.ones(())
    )
    changed = torch.fft.irfft(spectrum * gain, samples)
    seconds = torch.arange(samples) / MODEL_FS_HZ
    for index in range(n):
        if torch.rand((), generator=generator) < strength.hum:
            mains = 50.0 if torch.rand((), generator=generator) < 0.5 else 60.0
            wave = torch.sin(2 * torch.pi * (mains * seconds + torch.rand((), generator=generator)))
            changed[index] += uniform(0, 0.25, leads, 1) * wave
        if torch.rand((), generator=generator) < strength.wander:
            turn = uniform(0.1, 0.5, 1) * seconds + torch.rand((), generator=generator)
            changed[index] += uniform(-0.7, 0.7, leads, 1) * torch.sin(2 * torch.pi * turn)
        if torch.rand((), generator=generator) < strength.rate:
            rate = _RATES[int(torch.randint(len(_RATES), (), generator=generator))]
            changed[index] = resampled(changed[index], rate)
        if torch.rand((), generator=generator) < strength.lost_leads:
            changed[index, torch.randperm(leads, generator=generator)[: int(uniform(1, 5, 1))]] = 0.0
    changed = standardised(changed)
    starts = torch.stack([uniform(0, 500, n), uniform(2000, 2500.99, n)], 1).long()
    places = starts[:, :, None, None] + torch.arange(SEGMENT_SAMPLES)
    return changed[:, None].expand(-1, 2, -1, -1).gather(3, places.expand(-1, -1, leads, -1))


def plain(recordings: Tensor) -> Tensor:
    """The two segments that `ecg.prepare` makes: float32 [n, 2, 12, 2500] of [n, 12, 5000]."""
    return recordings.reshape(*recordings.shape[:2], 2, SEGMENT_SAMPLES).transpose(1, 2)


def resampled(recording: Tensor, rate_hz: float) -> Tensor:
    """What is left of [lead, sample] at 500 Hz once it was kept at `rate_hz` and interpolated back, as prepared."""
    samples = recording.shape[-1]
    there = torch.nn.functional.interpolate(
        recording[None], int(samples * rate_hz / MODEL_FS_HZ), mode="linear", align_corners=True, antialias=False
    )
    return torch.nn.functional.interpolate(there, samples, mode="linear", align_corners=True)[0]


def standardised(recordings: Tensor) -> Tensor:
    """Each lead over its own mean and deviation; a constant lead is zeros."""
    centred = recordings - recordings.mean(-1, keepdim=True)
    deviation = centred.square().mean(-1, keepdim=True).sqrt()
    return torch.where(deviation > 1e-4, centred / deviation.clamp(min=1e-4), torch.zeros(()))
