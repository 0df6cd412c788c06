"""Augmented copies are what the model is fed: standardised segments."""

import numpy as np
import torch

from ecg.models.ecgfm.preparation import prepare
from ecg.record import EcgRecord
from training.augment import Strength, augmented, plain, resampled

NONE = Strength(0, 0, 0, 0, 0, 0, 0)


def batch(record: EcgRecord, n: int = 3) -> torch.Tensor:
    joined = prepare(record).transpose(1, 0, 2).reshape(12, -1)
    return torch.from_numpy(np.repeat(joined[None], n, axis=0))


def test_plain_segments_are_those_of_the_preparation(sinus: EcgRecord) -> None:
    np.testing.assert_array_equal(plain(batch(sinus))[1].numpy(), prepare(sinus))


def test_without_any_change_a_segment_is_cut_out(sinus: EcgRecord) -> None:
    whole = batch(sinus)
    first = augmented(whole, torch.Generator().manual_seed(0), NONE)[0, 0]
    places = [start for start in range(501) if torch.allclose(whole[0, :, start : start + 2500], first, atol=1e-3)]
    assert len(places) == 1


def test_changed_recordings_stay_standardised_and_differ(sinus: EcgRecord) -> None:
    always = Strength(1, 1, 1, 1, 1, 1, 0)
    made = augmented(batch(sinus), torch.Generator().manual_seed(1), always)
    assert made.shape == (3, 2, 12, 2500)
    assert made.isfinite().all()
    # A segment is half of what was standardised, so its own deviation is near 1 and not exactly it.
    assert ((made.std(-1) > 0.5) & (made.std(-1) < 1.5)).all()
    assert not torch.allclose(made[0], made[1], atol=0.1)


def test_lost_leads_are_zeros(sinus: EcgRecord) -> None:
    made = augmented(batch(sinus), torch.Generator().manual_seed(2), Strength(0, 0, 0, 0, 0, 0, 1))
    lost = (made == 0).all(-1).all(1).sum(1)
    assert ((lost >= 1) & (lost <= 4)).all()


def test_equal_generators_make_equal_copies(sinus: EcgRecord) -> None:
    copies = [augmented(batch(sinus), torch.Generator().manual_seed(5), Strength()) for _ in range(2)]
    assert torch.equal(*copies)


def test_a_lower_rate_is_what_the_preparation_makes_of_it(sinus: EcgRecord) -> None:
    kept = batch(sinus, 1)[0]
    there = torch.nn.functional.interpolate(kept[None], 2500, mode="linear", align_corners=True)[0]
    record = EcgRecord(there.numpy(), sinus.leads, 250.0, None)
    prepared = prepare(record).transpose(1, 0, 2).reshape(12, -1)
    ours = resampled(kept, 250.0).numpy()
    ours = (ours - ours.mean(1, keepdims=True)) / ours.std(1, keepdims=True)
    np.testing.assert_allclose(ours, prepared, atol=2e-3)  # float32 positions of 5,000 samples
