"""Who plays to the daemon in demo, benches and tests: a MIDI client, an OSC client, a rig."""
