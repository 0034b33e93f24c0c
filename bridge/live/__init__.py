"""The live session, pure: commands in, effects out, time is an argument.

Begin with `session`.

No threads, no sockets, no ports, no clock of its own: a list of commands replays a whole
performance exactly.
"""
