"""Note events as numbers through a 1-D U-Net (after G. Savkin).

Begin with `process`.
"""
