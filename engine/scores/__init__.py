"""MIDI files in and out, which part is the melody, and pictures of both. No torch."""
