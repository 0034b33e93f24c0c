"""How good a model is: held-out music, likelihoods, metrics, baselines, speed.

Begin with `evaluate.evaluate`; `metrics` and `likelihood` are what it counts.

Some modules need torch; the metrics need numpy alone.
"""
