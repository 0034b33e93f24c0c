"""How good a model is: held-out music, likelihoods, metrics, baselines, speed.

Some modules need torch; the metrics need numpy alone.
"""
