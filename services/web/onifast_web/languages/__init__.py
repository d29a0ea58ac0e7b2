"""The languages of the webmail: gettext catalogues, which of them a page is in, and numbers and dates by them.

The API, the logs, onifast-mailctl and what SMTP says stay English.
"""
