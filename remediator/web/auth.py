"""Who is calling (S1): sources by their credential at the webhook, people and programs by their token at the API.

Credentials are compared as digests under a key of this process, all of them every time: neither their length nor which one came
close shows in the time that it takes.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

from aiohttp import web

from remediator.errors import ConfigError
from remediator.settings import BUILT_IN_SOURCES, SOURCE_NAME, Credential, Settings

UNAUTHENTICATED = "unauthenticated"
"""Who acts at the API under ``--insecure-no-auth`` when settings hold no ``api_tokens``."""

DEFAULT_SOURCE = "default"
"""The source of webhooks under ``--insecure-no-auth`` when nothing else names one."""


class Auth:
    """Every credential that settings hold."""

    def __init__(self, settings: Settings, *, insecure_no_auth: bool = False) -> None:
        """
        Raises:
            ConfigError: a source without a credential, no source at all, or one credential that stands for two.
        """
        self._insecure = insecure_no_auth
        self._known_sources = tuple(settings.sources)
        self._key = secrets.token_bytes(32)
        self._sources: list[tuple[bytes, str]] = []
        self._principals: list[tuple[bytes, str]] = []
        if not insecure_no_auth:
            for name, source in settings.sources.items():
                if (proof := self._proof_of(source.credential)) is None:
                    raise _missing(f"sources.{name}.credential")
                self._sources.append((proof, name))
            if not self._sources:
                raise _missing("sources")
        for token in settings.api_tokens:
            if (secret := token.secret) is not None:
                self._principals.append((self._digest(b"bearer", secret.encode()), token.name))
        self._refuse_shared()

    def authenticate_webhook(self, request: web.Request) -> str:
        """The source that sent this request, by its credential and the path.

        Raises:
            HTTPUnauthorized: no or a wrong credential.
            HTTPForbidden: a good credential, but the path names another source, or one that does not exist.
        """
        named = request.match_info.get("source")
        if self._insecure:
            return self._trusting(named)
        source = self._match(request, self._sources)
        if named is not None and named != source:
            raise web.HTTPForbidden(reason="this credential is not that source's")
        return source

    def authenticate_api(self, request: web.Request) -> str:
        """The name of who calls the API, as it will stand in approvals and the timeline.

        Raises:
            HTTPUnauthorized: no or a wrong token.
        """
        if self._insecure and not self._principals:
            return UNAUTHENTICATED
        return self._match(request, self._principals)

    def _trusting(self, named: str | None) -> str:
        if named is None:
            return self._known_sources[0] if len(self._known_sources) == 1 else DEFAULT_SOURCE
        known = named in self._known_sources if self._known_sources else re.fullmatch(SOURCE_NAME, named) is not None
        if not known or named in BUILT_IN_SOURCES:
            raise web.HTTPForbidden(reason="no such source")
        return named

    def _match(self, request: web.Request, known: Iterable[tuple[bytes, str]]) -> str:
        given = self._given(request.headers.get("Authorization", ""))
        found = None
        for proof, name in known:
            if hmac.compare_digest(proof, given):
                found = name
        if found is None:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Bearer, Basic realm="remediator"'})
        return found

    def _given(self, header: str) -> bytes:
        scheme, _, rest = header.partition(" ")
        scheme = scheme.lower()
        value = rest.strip().encode("utf-8", "surrogateescape")
        if scheme == "basic":
            try:
                value = base64.b64decode(value, validate=True)
            except binascii.Error:
                value = b""
        return self._digest(scheme.encode("utf-8", "surrogateescape"), value)

    def _proof_of(self, credential: Credential | None) -> bytes | None:
        if credential is None:
            return None
        if (token := credential.bearer) is not None:
            return self._digest(b"bearer", token.encode())
        if (basic := credential.basic) is not None:
            return self._digest(b"basic", ":".join(basic).encode())
        return None

    def _digest(self, scheme: bytes, value: bytes) -> bytes:
        return hashlib.blake2b(scheme + b"\0" + value, key=self._key, digest_size=32).digest()

    def _refuse_shared(self) -> None:
        """One credential for two names: it could not be told who calls. A source's must not open the API either."""
        seen: dict[bytes, str] = {}
        owners = [(proof, f"sources.{name}") for proof, name in self._sources]
        owners += [(proof, f"api_tokens ({name})") for proof, name in self._principals]
        for proof, owner in owners:
            if (other := seen.setdefault(proof, owner)) != owner:
                raise ConfigError(
                    path=owner,
                    line=None,
                    message=f"has the same credential as {other}",
                    remedy="give each its own; the credential says who calls",
                )


def _missing(place: str) -> ConfigError:
    return ConfigError(
        path=place,
        line=None,
        message="no credential, so anybody could send alerts",
        remedy="set token_file, token, or username and password_file; or start with --insecure-no-auth",
    )
