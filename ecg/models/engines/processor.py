"""What the processor of this machine can compute, as far as an engine's choice depends on it."""

from zlib import crc32

_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
#: Sums products of 8-bit numbers in 32 bits. Without it they are summed in pairs in 16 bits, which saturate.
_INT8_DOT_PRODUCT = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}


def has_bfloat16() -> bool:
    """Whether it computes in bfloat16; without that it is emulated, and slower than float32."""
    return bool(_BFLOAT16 & _flags())


def has_int8_dot_product() -> bool:
    """Whether sums of 8-bit products are exact; False also where that cannot be found out."""
    return bool(_INT8_DOT_PRODUCT & _flags())


def fingerprint() -> str:
    """A name for this kind of processor, eight hexadecimal digits: that of its instruction sets."""
    return f"{crc32(' '.join(sorted(_flags())).encode()):08x}"


def _flags() -> set[str]:
    """Names of the instruction sets, as Linux gives them; empty elsewhere."""
    try:
        with open("/proc/cpuinfo") as file:
            return set(next((line for line in file if line.startswith(("flags", "Features"))), "").split())
    except OSError:
        return set()
