"""The engine in a process of its own: starting and watching it, and asking it over a pipe.

Begin with `supervisor.EngineSupervisor`; `main` runs in that process, `wire` is the pipe.
"""
