"""MIDI ports: which there are, opening them, and connecting them again after they went."""
