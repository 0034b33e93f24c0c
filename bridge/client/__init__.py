"""Who plays to the daemon in demo, benches and tests: a MIDI client, an OSC client, a rig.

`rig` starts a daemon to play to; `peers` are the clients.
"""
