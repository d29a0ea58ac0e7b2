# What there is to do in a checkout. `make` alone lists it; the logic lies in tools/.

.DEFAULT_GOAL := help
.PHONY: help run ctl test check check-pythons lint update audit docs picture bench bench-relay bench-queue bench-junk bench-web bench-roundcube wheel deb install clean translations bench-clicks bench-paint

PREFIX ?= /opt/onifast-mail
SYSCONFDIR ?= /etc
DESTDIR ?=

# Each recipe line that needs a Python finds one (and says in one line what to do where there is none).
python = python=$$(tools/find-python) || exit 2; exec "$$python" -m

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: ## start everything here, with a demo user and demo mail, until Ctrl-C
	@$(python) tools.run

ctl: ## control what `make run` started: make ctl, or make ctl ARGS="restart web"
	@$(python) tools.ctl $(ARGS)

test: ## everything, slow and real peers included; brings Debian packages in by apt (as root)
	@$(python) tools.test

check: lint ## the linters and the fast tests: no root, a minute or two
	@.venv/bin/pytest -q -n auto -m "not slow and not peers and not root"

lint: .venv-dev ## ruff, mypy, codespell; Biome for scripts and style sheets
	@.venv/bin/python -m tools.lint

check-pythons: ## `make check` under each Python from 3.11 to 3.13 that is here
	@$(python) tools.pythons

update: ## renew the pinned versions of all libraries in requirements/
	@$(python) tools.update

audit: ## hold the pinned libraries against the known advisories
	@$(python) tools.audit

docs: .venv-dev ## write docs/configuration.md and docs/licences.md anew
	@.venv/bin/python -m tools.docs

translations: .venv-dev ## find new texts for the webmail's catalogues (docs/translating.md), and compile these
	@.venv/bin/python -m tools.translations $(ARGS)

bench: .venv-dev ## measure us beside Postfix (as root; tests/peers/install first): make bench ARGS="--rounds 5"
	@PYTHONPATH=tests .venv/bin/python -m bench.accept $(ARGS)

bench-relay: .venv-dev ## the same for mail that goes through, beside Postfix with OpenDKIM and chasquid
	@PYTHONPATH=tests .venv/bin/python -m bench.relay $(ARGS)

bench-queue: .venv-dev ## what claiming and settling cost, from ten rows in the queue to a million
	@.venv/bin/python -m bench.queue $(ARGS)

bench-web: .venv-dev ## what lists, counts, reads and searches cost beside a million messages
	@PYTHONPATH=tests .venv/bin/python -m bench.web $(ARGS)

bench-clicks: .venv-dev ## count clicks for common tasks, beside Roundcube (as root): make bench-clicks ARGS=--unpack
	@PYTHONPATH=tests .venv/bin/python -m bench.clicks $(ARGS)

bench-paint: .venv-dev ## how soon a list is painted, of 300 messages and of 100,000
	@PYTHONPATH=tests .venv/bin/python -m bench.first_paint $(ARGS)

bench-roundcube: .venv-dev ## the webmail beside Roundcube over Dovecot (as root): make bench-roundcube ARGS=--unpack
	@PYTHONPATH=tests .venv/bin/python -m bench.roundcube $(ARGS)

bench-junk: .venv-dev ## how well the junk filter works: make bench-junk ARGS="--good DIR --junk DIR"
	@.venv/bin/python -m bench.junk $(ARGS)

picture: .venv-dev ## take docs/webmail.png anew, with the browser test's Chromium
	@.venv/bin/pytest -q tests/web/test_browser.py -k picture --webmail-png docs/webmail.png

wheel: ## build dist/onifast_mail-*.whl
	@$(python) tools.wheel dist

deb: ## build the Debian packages of this checkout into dist/, for this machine's Debian (as any user)
	@$(python) tools.deb dist

install: ## install into PREFIX (/opt/onifast-mail) and the units into SYSCONFDIR (/etc); DESTDIR for packagers
	@$(python) tools.install "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)"

clean: ## remove what was built and installed here; var/, with its mail, stays
	rm -rf .venv .venv-node tools/npm/node_modules services/web/npm/node_modules dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf services/web/onifast_web/static/vendor services/web/onifast_web/templates/icons services/web/onifast_web/static/texts
	rm -f services/web/onifast_web/languages/catalogues/*.mo services/web/onifast_web/languages/catalogues/.compiled
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: .venv-dev
.venv-dev:
	@$(python) tools.environment all,dev
