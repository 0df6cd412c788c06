"""The HTTP edge: a Starlette application of routes, middleware and problem documents, run by the Ingress deployment."""
