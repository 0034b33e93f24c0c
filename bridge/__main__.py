"""`python -m bridge` is `midi-diffuse`."""

from bridge.cli.main import run

run()
