"""Who may talk to us over OSC, and where answers may go. Opens no socket.

UDP senders can be forged, so that a server that answers anybody, anywhere, is a weapon.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_Network = ipaddress.IPv4Network

_LOOPBACK = _Network("127.0.0.0/8")
_PRIVATE = tuple(
    _Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
)
"""Addresses of a house or a stage (RFC 1918, RFC 3927): who may talk unless peers are named."""


class PeerError(ValueError):
    """A peer that is not an address; the message says what is wanted."""


def _read_network(text: str) -> _Network:
    """`192.168.1.20` or `192.168.1.0/24`. Raises PeerError; names are not looked up."""
    try:
        return _Network(text.strip(), strict=False)
    except ValueError:
        raise PeerError(
            f"--allow wants an IPv4 address or network such as 192.168.1.20 or 192.168.1.0/24, "
            f"not {text!r}"
        ) from None


class Peers:
    """This machine always may talk; others only where `allow` names them.

    Without names: those of a private network. Whether they reach us is the listening address's.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """Raise PeerError."""
        self._named = tuple(_read_network(text) for text in allow)
        self._heard = (_LOOPBACK, *(self._named or _PRIVATE))

    def may_ask(self, host: str) -> bool:
        """Say whether its datagrams are read and answered."""
        return _within(host, self._heard)

    def may_direct(self, asker: str, host: str) -> bool:
        """Say whether `asker` may have answers sent to `host`: to itself, and to who is named."""
        return host == asker or _within(host, self._named)


def _within(host: str, networks: Iterable[_Network]) -> bool:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)
