"""A model as a thing: checkpoints, export to one file, and the generator that answers requests.

Begin with `generator.Generator`, then `export` and `checkpoint`.

Torch, but for `density`.
"""
