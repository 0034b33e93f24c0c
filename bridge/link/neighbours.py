"""Is anybody using Ableton Link here? Listens to the network and says nothing.

A Link peer announces itself four times a second to a multicast group. To hear that before joining
is what lets us join without a say: of two sessions that meet, the older one's tempo holds, and one
that we had opened while we were alone could be the older.
"""

from __future__ import annotations

import contextlib
import socket
import struct

_GROUP, _PORT = "224.76.78.75", 20808
_HEADER = b"_asdp_v\x01"
_ALIVE, _RESPONSE = 1, 2
_MOST_BYTES = 512
_MOST_PACKETS = 64
"""Looked at in one go."""


def is_peer(packet: bytes) -> bool:
    """Say whether the packet tells that a Link peer is there, not that it leaves."""
    kind = packet[len(_HEADER) : len(_HEADER) + 1]
    return packet.startswith(_HEADER) and kind in (bytes([_ALIVE]), bytes([_RESPONSE]))


class Neighbours:
    """Hears other peers' announcements. Owner: the Link thread."""

    def __init__(self) -> None:
        """Listen on every network interface. Raises OSError where none can be listened on."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("", _PORT))
            self._socket.setblocking(False)
            if not sum(self._joins(index) for index, _ in socket.if_nameindex()):
                raise OSError("no network interface takes part in multicast")
        except OSError:
            self._socket.close()
            raise

    def _joins(self, interface: int) -> bool:
        request = struct.pack("4s4si", socket.inet_aton(_GROUP), bytes(4), interface)
        if not hasattr(socket, "AF_UNIX"):  # Windows takes the index for an address
            request = socket.inet_aton(_GROUP) + struct.pack("!I", interface)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            return True
        return False

    def announced(self) -> bool:
        """Say whether a peer announced itself since the last call; never blocks."""
        found = False
        for _ in range(_MOST_PACKETS):
            try:
                found |= is_peer(self._socket.recv(_MOST_BYTES))
            except BlockingIOError:
                break
            except OSError:  # what the network reports of others' packets
                continue
        return found

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
