"""`midi-diffuse` that remembers little of a song, and whose OSC thread hangs or ends on request.

Run as a program by tests. With a small memory of the song, full at once, only a leak grows.
"""

from __future__ import annotations

import sys
import time

from bridge.commands import Address
from bridge.live.listening import note_memory
from bridge.osc import server
from bridge.runtime import thread_watch

note_memory.MOST_ENTRIES = 240
thread_watch.HUNG_S = 2  # as long as a test need wait
_act = server.OscServer._act


def _troubled(self: server.OscServer, packet: bytes, now_ns: int, sender: Address) -> int:
    if packet.startswith(b"/hang"):
        time.sleep(3600)
    if packet.startswith(b"/leave"):
        raise SystemExit
    return _act(self, packet, now_ns, sender)


if __name__ == "__main__":
    from bridge.cli import main as cli

    setattr(server.OscServer, "_act", _troubled)  # noqa: B010
    cli.run(sys.argv[1:])
