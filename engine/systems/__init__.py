"""Whole systems after the project's source documents, behind the generator's interface.

Begin with `registry` and `player`; a folder each holds one system.
"""
