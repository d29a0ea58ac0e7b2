"""Domains that everybody knows, and that forgers therefore imitate most; settings add those of one's own country."""

from __future__ import annotations

_MAIL = "gmail googlemail outlook hotmail yahoo icloud protonmail live"
_COMPANIES = (
    "adobe airbnb alibaba aliexpress amazon apple atlassian booking cloudflare docusign dropbox ebay facebook github"
    " gitlab godaddy google instagram intuit linkedin microsoft microsoftonline netflix office paypal pinterest reddit"
    " roblox salesforce samsung shopify slack snapchat spotify steampowered tiktok twitter uber walmart whatsapp"
    " wordpress youtube zoom"
)
_MONEY = (
    "americanexpress bankofamerica binance capitalone chase citibank coinbase commerzbank fidelity hsbc kraken"
    " mastercard n26 revolut santander schwab stripe visa wellsfargo westernunion wise"
)
_PARCELS = "dhl fedex ups usps"
_OTHERS = (
    "barclays.co.uk bnpparibas.fr credit-agricole.fr deutsche-bank.de deutschepost.de europa.eu gmx.de gmx.net gov.uk"
    " hetzner.com ing.com ionos.de irs.gov labanquepostale.fr laposte.fr laposte.net lloydsbank.co.uk mail.ru orange.fr"
    " ovh.com postbank.de proton.me royalmail.com sparkasse.de strato.de t-online.de telekom.de web.de yandex.ru"
)

WELL_KNOWN = frozenset(
    (*(f"{name}.com" for name in f"{_MAIL} {_COMPANIES} {_MONEY} {_PARCELS}".split()), *_OTHERS.split())
)
"""Organizational domains, as lower-case A-labels."""
