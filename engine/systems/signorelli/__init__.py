"""Triples of pitch, duration and delta through a causal 1-D U-Net (after G. Signorelli).

Begin with `process`.
"""
