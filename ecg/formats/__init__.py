"""Readers: bytes in, `EcgRecord` out. One module per format."""
