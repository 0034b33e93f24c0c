"""Diffusion in the space of a plain encoder-decoder of note images (after H. Kumawat).

Begin with `process`.
"""
