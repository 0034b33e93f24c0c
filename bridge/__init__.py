"""The hands of midi-diffuse: clocks, transport, MIDI ports, OSC, the daemon and the CLI.

Never imports torch; only `bridge.worker` and the CLI's engine commands reach the model, lazily.
"""

DISTRIBUTION = "midi-diffuse"
