"""MIDI files in, MIDI files out: the tasks on one file, and the same for many files.

Begin with `tasks`.
"""
