"""A JACK server that a test can end, and a client of it that records what it is sent.

A program, for libjack's threads may take a process along whose server dies. It says `up`; then
each line it reads is a command: `listen` to the daemon, or `notes`, answered by what was heard so
far, as JSON: [onset in ns, end in ns or null, channel, pitch, velocity] of each note. It ends, and
with it the server, when its standard input does.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import astuple

from bridge.client.peers import MidiPeer, played_notes
from bridge.client.rig import jack_server


def main(name: str) -> None:
    """Serve as the JACK server called `name`."""
    with jack_server(name):
        print("up", flush=True)
        peer: MidiPeer | None = None
        for command in sys.stdin:
            if command.strip() == "listen":
                peer = MidiPeer()
            notes = [] if peer is None else played_notes(peer.received)
            print(json.dumps([astuple(note) for note in notes]), flush=True)
        if peer is not None:
            peer.close()


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # without libjack's own farewell
