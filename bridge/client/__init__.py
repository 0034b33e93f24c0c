"""Who plays to the daemon in demo, benches and tests: a MIDI client, an OSC client, a rig.

Begin with `rig`, which starts a daemon to play to; `peers` are the clients.
"""
