"""The page, its samples, and the OpenAPI document."""
