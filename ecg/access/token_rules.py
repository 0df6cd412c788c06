"""What a service takes for a valid OIDC token; without the library that checks one, which few services need."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from ecg.errors import MalformedInput

#: Algorithms that a service may be told to take. None of them has a secret that a public key could stand for.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
MOST_SKEW_S = 120.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class TokenRules:
    """What a service takes for a valid token.

    Attributes
    ----------
    issuer, audience
        What ``iss`` must be, and ``aud`` be or hold.
    jwks
        The issuer's public keys (RFC 7517): a path, or an https URL; http on this machine only.
    algorithms
        Some of `ALGORITHMS`; what a token says of itself does not change them.
    skew_s
        By how much the issuer's clock may differ, at most `MOST_SKEW_S`.
    most_lifetime_s
        Longest time between ``iat`` and ``exp``: how long a stolen token can be used.
    rate_hz, concurrency
        Limits of each subject, as of a key.
    """

    issuer: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    skew_s: float = 30.0
    most_lifetime_s: float = 86_400.0
    rate_hz: float | None = None
    concurrency: int | None = None

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience:
            raise MalformedInput("Tokens need an issuer and an audience.", "oidc", "two texts", None)
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            raise MalformedInput("Unknown algorithm.", "algorithms", list(ALGORITHMS), list(self.algorithms))
        if not 0 <= self.skew_s <= MOST_SKEW_S:
            raise MalformedInput("The skew is out of range.", "skew_s", f"0..{MOST_SKEW_S:g}", self.skew_s)
        if not self.most_lifetime_s > 0:
            raise MalformedInput("A lifetime is positive.", "most_lifetime_s", "> 0", self.most_lifetime_s)
        address = urlsplit(self.jwks)
        if address.scheme == "http" and address.hostname not in _LOOPBACK:
            raise MalformedInput("Public keys are read over https.", "jwks", "https://…, or a path", self.jwks)
