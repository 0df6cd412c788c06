"""Import Ray Serve without pandas, which takes half a second and 60 MB in each of a service's eight processes.

Serve loads it, where it is installed, for the JSON of data frames that an application returns; this one returns none.
Ray's workers import this module before anything else (`RAY_preload_python_modules` in `serve_app.environment`).
"""

import sys

if "pandas" not in sys.modules:
    sys.modules["pandas"] = None  # type: ignore[assignment]  # importing it fails as where it is not installed
    try:
        import ray.serve._private.utils  # noqa: F401
    finally:
        del sys.modules["pandas"]
