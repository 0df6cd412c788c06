"""Seeded damage to files, for the tests of every reader."""

from collections.abc import Iterator

import numpy as np

_INTERESTING = (b"\x00", b"\xff", b"-1", b"0", b"9" * 20, b"1e308", b"nan", b"\n", b"<", b"&", b",", b"%s", b"\x80\x00")


def damaged(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    """`count` damaged copies of `data`: bits flipped, bytes overwritten, pieces cut out, doubled or exchanged."""
    rng = np.random.default_rng(seed)
    # Damage in the first part hits headers, where it matters most.
    for _ in range(count):
        out = bytearray(data)
        for _ in range(int(rng.integers(1, 5))):
            reach = max(1, len(out) if rng.random() < 0.4 else min(len(out), 600))
            at = int(rng.integers(reach))
            kind = int(rng.integers(6))
            length = int(rng.integers(1, 40))
            if kind == 0 and out:
                out[at % len(out)] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                out[at : at + length] = rng.bytes(length)
            elif kind == 2:
                del out[at : at + length]
            elif kind == 3:
                out[at:at] = out[at : at + length] * int(rng.integers(1, 4))
            elif kind == 4:
                piece = _INTERESTING[int(rng.integers(len(_INTERESTING)))]
                out[at : at + len(piece)] = piece
            elif rng.random() < 0.2:
                del out[at + length :]
        yield bytes(out)
