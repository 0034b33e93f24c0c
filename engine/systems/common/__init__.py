"""What the systems share: Gaussian noise and its loop, layers, notes as lists, training.

Begin with `system.System`, then `gaussian`.
"""
