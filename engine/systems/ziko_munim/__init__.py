"""A diffusion transformer on note images, with anticipation (after C. Ziko and R. Munim).

Begin with `process`.
"""
