"""When to ask the engine, for what, and which part of its answer is kept for good."""
