"""Music as arrays: the grid, the piano-roll, and two voices merged into one. numpy only.

Begin with `grid` and `roll`.
"""
