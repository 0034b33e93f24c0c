"""`midi-diffuse doctor`: what of this machine stands in the way, and how to mend it.

Begin with `finding`, then `midi_checks` and `machine_checks`.
"""
