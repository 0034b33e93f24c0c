"""MIDI files in and out, which part is the melody, and pictures of both. No torch.

Begin with `midi_file.read` and `midi_write`.
"""
