"""Training: corpora, the windows drawn from them, and the loop that fits a network.

Begin with `train.train` and `dataset`; `clocked_run` is the other loop, by the clock.

Some modules need torch; those that read and draw data need numpy alone.
"""
