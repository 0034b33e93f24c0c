"""The diffusion process: noise, the sampling loop that undoes it, and its likelihood bound.

Begin with `sampler.Sampler`, then `noise` and `reverse`.

Torch, but for `batch`.
"""
