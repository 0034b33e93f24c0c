"""What a player can set: the one table of parameters, presets, and which models may run.

Begin with `parameters` (the table), then `values` and `presets`.

Pure but for reading preset files and the list of trusted models.
"""
