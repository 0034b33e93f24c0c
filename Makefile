# Short names for the scripts; each of them works alone.
.PHONY: demo serve test lint bench patches stage audit sums

demo:
	scripts/run demo

serve:
	scripts/run serve --port 9000

test:
	scripts/test

lint:
	scripts/setup dev
	.venv/bin/ruff format . && .venv/bin/ruff check . && .venv/bin/mypy

bench:
	scripts/run bench engine
	scripts/run bench live

stage:
	scripts/stage

audit:
	scripts/audit

sums:
	cd presets && sha256sum *.pt *.toml >SHA256SUMS

patches:
	scripts/setup dev
	.venv/bin/python -m scripts.make_patches
	.venv/bin/python -m scripts.make_daw
