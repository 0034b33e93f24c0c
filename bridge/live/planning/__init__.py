"""When to ask the engine, for what, and which part of its answer is kept for good.

Begin with `policies` (when we play), `replanner` (when we ask), `plan_book` (what holds).
"""
