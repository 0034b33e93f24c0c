"""A model as a thing: checkpoints, export to one file, and the generator that answers requests.

Torch, but for `density`.
"""
