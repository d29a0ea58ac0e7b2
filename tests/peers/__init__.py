"""Third-party programs that the end-to-end tests run against, one module a program; see ``install`` beside this."""
