"""Version of the package, for modules that must not import its public face."""

__version__ = "0.1.0"
