"""The event log of a session: writing it while playing, reading it, and replaying it exactly."""
