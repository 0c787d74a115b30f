# Limn: every command sets up what it needs first (scripts/setup.sh).
.PHONY: run test lint bench package docs pictures lock setup clean

python := .venv/bin/python
display := xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24"

run: setup        ## the window with the sample studies; without a display: a tour of it into out/
	@scripts/run.sh

test: setup       ## all tests, on a virtual display
	@env -u DISPLAY -u WAYLAND_DISPLAY $(python) -m pytest --numprocesses 2 --dist loadfile

lint: setup       ## style and types
	@$(python) -m ruff check .
	@$(python) -m ruff format --check --quiet .
	@$(python) -m mypy

bench: setup      ## seconds and memory, start of the window; a soak test of two hours at most
	@$(display) $(python) -m tests.benchmarks

package: setup    ## dist/limn, the program that needs no Python, and a .deb of it; built and tried
	@scripts/package.sh

docs: setup       ## the documentation as a site, build/docs/index.html
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict --quiet

pictures: setup   ## the pictures of README.md, taken by the tour
	@rm -rf build/tour
	@$(display) $(python) -m scripts.tour --out build/tour
	@for name in volume curves disc explanation; do \
		cp build/tour/*_$$name.png docs/images/$$name.png || exit 1; done

lock: setup       ## requirements.lock from pyproject.toml
	@$(python) -m pip install --quiet "pip>=25.1"
	@$(python) scripts/lock.py

setup:
	@scripts/setup.sh

clean:
	rm -rf build dist out
