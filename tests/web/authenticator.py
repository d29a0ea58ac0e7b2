"""An authenticator, and a user who has set it up."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyotp
from flask.testing import FlaskClient

from web.support import Browser, Clock

PAGE = "/two-step"


@dataclass
class Authenticator:
    """Shows codes of a secret at a test's time; `codes` are the recovery codes that came with it."""

    secret: str
    clock: Clock
    codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(self.clock.now), counter_offset=steps)

    def wrong(self) -> str:
        """A code that fits at no time near this one."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)

    def fresh(self) -> str:
        """A code that was not used before."""
        self.clock.advance(30)
        return self.code()


def key_in(html: str) -> str:
    found = re.search(r'id="totp-key">([A-Z2-7 ]+)<', html)
    assert found, html
    return found[1].replace(" ", "")


def recovery_codes_in(html: str) -> list[str]:
    found = re.search(r'id="recovery-codes"[^>]*>([^<]+)<', html)
    assert found, html
    return found[1].split()


def set_up(browser: Browser, clock: Clock, username: str = "demo") -> Authenticator:
    """Sets an authenticator up in a browser that is signed in."""
    answer = browser.post(PAGE, {"do": "begin", "password": f"{username} password"})
    assert answer.status_code == 303, answer.text
    authenticator = Authenticator(key_in(browser.get(PAGE).text), clock)
    answer = browser.post(PAGE, {"do": "confirm", "code": authenticator.code()})
    assert answer.status_code == 200, answer.text
    authenticator.codes = recovery_codes_in(answer.text)
    return authenticator


def first_step(client: FlaskClient, username: str = "demo", target: str = "") -> str:
    """Shows the password; returns where that leads."""
    answer = client.post("/login", data={"username": username, "password": f"{username} password", "next": target})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]
