"""The diffusion process: noise, the sampling loop that undoes it, and its likelihood bound.

Torch, but for `batch`.
"""
