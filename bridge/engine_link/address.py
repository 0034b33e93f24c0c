"""Where an engine server is and how to show it who we are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_PORT = 8443
_LEAST_TOKEN, _MOST_TOKEN = 16, 512


class LinkError(ValueError):
    """An engine server that cannot be used as asked; says what to do, in one line."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server and how to get in. ca: certificates that vouch for it, or None for the system's."""

    host: str
    port: int
    token: str = field(repr=False)
    ca: Path | None = None

    @property
    def url(self) -> str:
        """For a WebSocket client."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"wss://{host}:{self.port}/"

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}"

    def tls(self) -> ssl.SSLContext:
        """Trusts nothing but `ca`, and only for this host's name. Raises LinkError."""
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as err:
            raise LinkError(f"--engine-ca {self.ca}: not a certificate in PEM ({err})") from None


def server_address(url: str, token_file: Path | None, ca: Path | None) -> ServerAddress:
    """Read `wss://HOST[:PORT]` and the token. Raises LinkError."""
    wanted = f"--engine wants wss://HOST:PORT (TLS always), not {url!r}"
    try:
        parts = urlsplit(url if "//" in url else f"wss://{url}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        raise LinkError(wanted) from None
    if parts.scheme != "wss" or not host or parts.path not in ("", "/") or parts.query:
        raise LinkError(wanted)
    if parts.username or parts.password:
        raise LinkError("--engine: the token goes into a file, see --engine-token-file")
    if token_file is None:
        raise LinkError("--engine wants --engine-token-file FILE, as the server's owner gave it")
    address = ServerAddress(host, port, read_token(token_file), ca)
    address.tls()
    return address


def read_token(file: Path) -> str:
    """Return the one line in `file`. Raises LinkError."""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise LinkError(f"{file}: not a token file ({err})") from None
    if not _LEAST_TOKEN <= len(token) <= _MOST_TOKEN or not token.isprintable() or " " in token:
        raise LinkError(f"{file}: not a token; want one line of at least {_LEAST_TOKEN} characters")
    return token
