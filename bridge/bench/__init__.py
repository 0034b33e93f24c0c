"""Measuring a machine: how late notes leave, how many beats are answered, does a core stall."""
