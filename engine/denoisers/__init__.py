"""Networks that guess the clean roll from a noisy one, one file a family. Torch.

Begin with `inputs` (what a network is given) and `frame_transformer`.
"""
