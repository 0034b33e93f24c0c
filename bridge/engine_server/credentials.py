"""Token and certificate of an engine server: the owner's own, or made at the first start."""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from bridge.engine_link.address import read_token

_TOKEN, _CERTIFICATE, _KEY = "token", "certificate.pem", "key.pem"
_DAYS = 825
"""How long a certificate that we make holds: as long as all systems accept one."""


class CredentialError(ValueError):
    """Something is wrong with token, certificate or key; says what, in one line."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files. Players need the token and the certificate, never the key."""

    token: Path
    certificate: Path
    key: Path

    def tls(self) -> ssl.SSLContext:
        """Return what the server shows. Raises CredentialError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as err:
            raise CredentialError(f"{self.certificate} and {self.key}: {err}") from None
        return context


def make_missing(folder: Path, names: list[str]) -> Credentials:
    """Return the token and certificate in `folder`, made where they are missing.

    names: hosts and addresses that the certificate is for. Raises CredentialError.
    """
    found = Credentials(folder / _TOKEN, folder / _CERTIFICATE, folder / _KEY)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not found.token.exists():
            _write(found.token, secrets.token_urlsafe(32).encode() + b"\n")
        if not (found.certificate.exists() and found.key.exists()):
            certificate, key = _self_signed(names)
            _write(found.key, key)
            _write(found.certificate, certificate)
    except OSError as err:
        raise CredentialError(f"{folder}: cannot be written: {err.strerror or err}") from None
    read_token(found.token)
    return found


def own_names(host: str) -> list[str]:
    """Return what this machine may be called by players that reach it at `host`."""
    return sorted({"localhost", "127.0.0.1", socket.gethostname(), public_name(host)})


def public_name(host: str) -> str:
    """Return what players are to call this machine that listens at `host`: where that is every
    address, the one that faces the network, or its name where none does."""
    if host not in ("0.0.0.0", "::", ""):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:  # sends nothing: asks which of our addresses faces the network
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def _self_signed(names: list[str]) -> tuple[bytes, bytes]:
    """Return a certificate for these hosts and its key, in PEM; players take it as their CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "midi-diffuse engine server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _name(text: str):  # type: ignore[no-untyped-def]  # cryptography is there with the extra only
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(path: Path, data: bytes) -> None:
    """Write it for the owner's eyes only."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
