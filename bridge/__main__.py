"""`python -m bridge` is `midi-diffuse`."""

from bridge.cli import run

run()
