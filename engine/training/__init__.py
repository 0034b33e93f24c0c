"""Training: corpora, the windows drawn from them, and the loop that fits a network.

Some modules need torch; those that read and draw data need numpy alone.
"""
