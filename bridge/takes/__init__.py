"""Takes: what was just played, as MIDI files of the user's.

Begin with `keeper`.
"""
