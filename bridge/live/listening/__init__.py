"""From MIDI input to the notes of the song, each on its step, and the memory of them.

Begin with `note_gate`, then `input_recorder`, then `note_memory`.
"""
