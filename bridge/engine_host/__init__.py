"""The engine in a process of its own: starting and watching it, and asking it over a pipe.

`main` runs in that process, the rest in the daemon.
"""
