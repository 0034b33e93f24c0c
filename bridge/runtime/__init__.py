"""The running daemon: its transport thread, its outbox thread, and what starts and stops them.

Begin with `daemon.Daemon`; `transport_thread` is where the music runs.
"""
