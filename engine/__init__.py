"""The musical mind of midi-diffuse: piano-rolls, binomial diffusion, training.

Knows nothing of MIDI ports, OSC or clocks. Importing this package never imports torch.
"""
