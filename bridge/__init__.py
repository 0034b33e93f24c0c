"""The hands of midi-diffuse: clocks, transport, MIDI ports, OSC, the daemon and the CLI.

Never imports torch at module level: only `engine_host.main`, in a process of its own, and the
CLI's commands reach the model, inside a function.
"""
