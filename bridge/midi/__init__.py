"""MIDI ports: which there are, opening them, and connecting them again after they went.

Begin with `ports.open_ports`; `systems` is which there are.
"""
