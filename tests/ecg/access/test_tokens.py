"""OIDC tokens: which are taken, and how each kind of forged, stale or misused one is refused."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecg.access import tokens
from ecg.access.token_rules import TokenRules
from ecg.access.tokens import TokenVerifier
from ecg.errors import MalformedInput, Unauthenticated

ISSUER, AUDIENCE = "https://login.example/realms/ward", "ecg-serve"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, key_id: str, algorithm: str) -> dict[str, Any]:
    made: dict[str, Any] = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return made | {"kid": key_id, "use": "sig", "alg": algorithm}


def key_set(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": list(keys)})


RSA_JWK, EC_JWK = jwk(RSA, "one", "RS256"), jwk(EC, "two", "ES256")


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    stated = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ward-3", "iat": now, "exp": now + 300, "scope": "ecg:analyze"}
    return {name: value for name, value in (stated | changes).items() if value is not None}


def signed(
    key: Any = RSA,
    algorithm: str = "RS256",
    key_id: str | None = "one",
    head: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    headers = ({} if key_id is None else {"kid": key_id}) | (head or {})
    return jwt.encode(claims(**changes), key, algorithm, headers)


@pytest.fixture
def verifier(tmp_path: Path) -> TokenVerifier:
    path = tmp_path / "jwks.json"
    symmetric = {
        "kty": "oct",
        "kid": "symmetric",
        "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA",
        "alg": "HS256",
    }
    encryption = jwk(OTHER, "encryption", "RS256") | {"use": "enc"}
    path.write_text(key_set(RSA_JWK, EC_JWK, jwk(ED, "three", "EdDSA"), symmetric, encryption, {"kid": "broken"}))
    return TokenVerifier(TokenRules(ISSUER, AUDIENCE, str(path)))


def test_a_valid_token_gives_its_subject_and_its_scopes(verifier: TokenVerifier) -> None:
    key = verifier.authenticate(signed(scope="openid ecg:analyze ecg:read ecg:unknown profile"))
    assert (key.id, key.origin, key.scopes) == ("oidc:ward-3", "oidc:ward-3", ("analyze", "read"))
    assert verifier.authenticate(signed(EC, "ES256", "two")).scopes == ("analyze",)
    assert verifier.authenticate(signed(aud=["other", AUDIENCE], scope=None, scp=["ecg:ingest"])).scopes == ("ingest",)
    assert verifier.authenticate(signed(scope=None, roles=["ecg:admin"])).scopes == ("admin",)
    assert verifier.authenticate(signed(head={"typ": "at+jwt"})).name == "ward-3"


def unsigned() -> str:
    part = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode()
        for p in ({"alg": "none", "typ": "JWT", "kid": "one"}, claims())
    ]
    return f"{part[0]}.{part[1]}."


def with_the_public_key_as_secret() -> str:
    """HS256 under the text of the RSA public key, which a verifier takes that lets a token name its algorithm."""
    secret = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
    digest = hmac.new(secret, head + b"." + body, hashlib.sha256).digest()
    return b".".join((head, body, base64.urlsafe_b64encode(digest).rstrip(b"="))).decode()


def with_head(**changes: Any) -> str:
    """A token whose head no library writes; what follows it does not matter."""
    head = json.dumps({"alg": "RS256", "kid": "one"} | changes).encode()
    return f"{base64.urlsafe_b64encode(head).rstrip(b'=').decode()}.e30.AAAA"


def changed_after_signing() -> str:
    head, _, signature = signed().split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(scope="ecg:admin")).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


NOW = int(time.time())
FORGED = {
    "alg none": unsigned,
    "public key as secret": with_the_public_key_as_secret,
    "changed after signing": changed_after_signing,
    "another's key under our id": lambda: signed(OTHER),
    "its own key in its head": lambda: signed(OTHER, head={"jwk": jwk(OTHER, "one", "RS256")}),
    "an address of keys in its head": lambda: signed(OTHER, head={"jku": "https://evil.example/jwks"}),
    "symmetric key of the set": lambda: signed(b"secret-secret-secret-secret-secret"[:31] + b"t", "HS256", "symmetric"),
    "key for encryption": lambda: signed(OTHER, key_id="encryption"),
    "algorithm not allowed": lambda: signed(ED, "EdDSA", "three"),
    "right key, other algorithm": lambda: signed(RSA, "RS512"),
    "key of another kind": lambda: signed(EC, "ES256", "one"),
    "unknown key": lambda: signed(key_id="four"),
    "no key named": lambda: signed(key_id=None),
    "path as key": lambda: signed(key_id="../../etc/passwd"),
    "expired": lambda: signed(iat=NOW - 900, exp=NOW - 300),
    "not yet": lambda: signed(nbf=NOW + 3600),
    "from the future": lambda: signed(iat=NOW + 3600, exp=NOW + 7200),
    "never ends": lambda: signed(exp=None),
    "lives for years": lambda: signed(exp=NOW + 10**8),
    "ends before it begins": lambda: signed(iat=NOW + 20, exp=NOW + 10),
    "no time of issue": lambda: signed(iat=None),
    "wrong audience": lambda: signed(aud="billing"),
    "no audience": lambda: signed(aud=None),
    "wrong issuer": lambda: signed(iss="https://evil.example"),
    "issuer with a slash more": lambda: signed(iss=ISSUER + "/"),
    "no subject": lambda: signed(sub=None),
    "empty subject": lambda: signed(sub=""),
    "subject for the log": lambda: signed(sub="x\n{}"),
    "long subject": lambda: signed(sub="x" * 65),
    "no scope": lambda: signed(scope="openid analyze"),
    "scope of another kind": lambda: signed(scope=5),
    "must be understood": lambda: signed(head={"crit": ["exp"]}),
    "another kind of token": lambda: signed(head={"typ": "logout+jwt"}),
    "kind that is a number": lambda: with_head(typ=1),
    "kind that is null": lambda: with_head(typ=None),
    "kind that is a list": lambda: with_head(typ=["JWT"]),
    "algorithm that is a list": lambda: with_head(alg=["RS256"]),
    "key id that is a number": lambda: with_head(kid=1),
    "too long": lambda: signed(filler="x" * 9000),
    "not ASCII": lambda: signed() + "\u00e9",
    "empty parts": lambda: "..",
    "text": lambda: "a.b.c",
}


@pytest.mark.parametrize("case", FORGED)
def test_any_other_token_is_refused_in_the_same_words(verifier: TokenVerifier, case: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        verifier.authenticate(FORGED[case]())
    assert refusal.value.args == ("The token is missing or not valid.", "Authorization", "Bearer TOKEN", None)


def test_the_clocks_may_differ_by_the_skew_and_no_more(verifier: TokenVerifier) -> None:
    now = int(time.time())
    assert verifier.authenticate(signed(iat=now - 100, exp=now - 10))
    with pytest.raises(Unauthenticated):
        verifier.authenticate(signed(iat=now - 100, exp=now - 40))


def test_a_key_that_was_withdrawn_ends_and_a_new_one_counts(
    tmp_path: Path, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replayed key id: the same id over another key, after a rotation."""
    old, new = signed(), signed(OTHER, key_id="five")
    verifier.authenticate(old)
    (tmp_path / "jwks.json").write_text(key_set(jwk(OTHER, "five", "RS256")))
    with pytest.raises(Unauthenticated):
        verifier.authenticate(new)  # unknown keys make the set be read again, but not at once
    monkeypatch.setattr(tokens, "_RELOAD_PAUSE_S", 0.0)
    verifier.authenticate(new)
    with pytest.raises(Unauthenticated):
        verifier.authenticate(old)
    with pytest.raises(Unauthenticated):
        verifier.authenticate(signed(RSA, key_id="five"))


class Issuer(http.server.BaseHTTPRequestHandler):
    asked = 0
    answer: tuple[int, str] = (200, "{}")

    def do_GET(self) -> None:
        type(self).asked += 1
        status, body = self.answer
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def issuer() -> Iterator[str]:
    Issuer.asked = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/jwks"
    server.shutdown()
    server.server_close()


def test_keys_by_url_are_read_once_and_kept_while_the_issuer_is_away(
    issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Issuer.answer = (200, key_set(RSA_JWK))
    verifier = TokenVerifier(TokenRules(ISSUER, AUDIENCE, issuer))
    for _ in range(3):
        verifier.authenticate(signed())
    for number in range(20):  # invented ids do not make the service ask the issuer each time
        with pytest.raises(Unauthenticated):
            verifier.authenticate(signed(key_id=f"invented-{number}"))
    assert Issuer.asked == 1
    monkeypatch.setattr(tokens, "_RELOAD_PAUSE_S", 0.0)
    monkeypatch.setattr(tokens, "_KEYS_FRESH_S", -1.0)
    Issuer.answer = (500, "")
    verifier.authenticate(signed())
    assert Issuer.asked == 2
    monkeypatch.setattr(tokens, "_KEYS_USABLE_S", 0.0)
    with pytest.raises(Unauthenticated):
        verifier.authenticate(signed())


@pytest.mark.parametrize("answer", [(302, ""), (200, "[]"), (200, "nonsense"), (404, key_set(RSA_JWK))])
def test_an_issuer_that_answers_with_anything_else_gives_no_keys(issuer: str, answer: tuple[int, str]) -> None:
    Issuer.answer = answer
    with pytest.raises(Unauthenticated):
        TokenVerifier(TokenRules(ISSUER, AUDIENCE, issuer)).authenticate(signed())


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"audience": ""},
        {"issuer": ""},
        {"jwks": "http://login.example/jwks"},
        {"skew_s": 600.0},
        {"skew_s": -1.0},
        {"most_lifetime_s": 0.0},
    ],
)
def test_rules_that_would_let_in_too_much_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedInput):
        TokenRules(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json"} | changes)
