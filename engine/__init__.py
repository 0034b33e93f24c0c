"""The musical mind of midi-diffuse: piano-rolls, binomial diffusion, training.

Begin with `model.generator.Generator`, then `diffusion.sampler.Sampler`.

Knows nothing of MIDI ports, OSC or clocks. Importing this package never imports torch.
"""
