"""Networks that guess the clean roll from a noisy one, one file a family. Torch."""
