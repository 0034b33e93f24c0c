"""The hands of midi-diffuse: clocks, transport, MIDI ports, OSC, the daemon and the CLI.

Begin with `runtime.daemon.Daemon`, or with `commands`: what all parts say to each other.

Never imports torch at module level: only `engine_host.main`, in a process of its own, and the
CLI's commands reach the model, inside a function.
"""
