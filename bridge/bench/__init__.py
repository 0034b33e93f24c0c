"""Measuring a machine: how late notes leave, how many beats are answered, does a core stall.

Begin with `live` and `jitter`; `cluster` measures the engine for many players.
"""
