"""The event log of a session: writing it while playing, reading it, and replaying it exactly.

Begin with `writer.EventLog` and `replay.replay`; `lines` is the format.
"""
