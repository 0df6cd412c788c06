"""Thin Ray Serve deployments over the `ecg` library."""
