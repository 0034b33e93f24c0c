"""The musical mind of midi-diffuse: piano-rolls, binomial diffusion, training.

Knows nothing of MIDI ports, OSC or clocks. Importing this package never imports torch.
"""

# `bridge.doctor` and start-up compare this, because another distribution could ship a folder
# named `engine` and silently overwrite ours.
DISTRIBUTION = "midi-diffuse"
