"""The webmail, the JSON API and single sign-on."""
