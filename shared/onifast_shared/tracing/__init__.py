"""Traces: SMTP dialogues, in and out, written down while an administrator watches, with what is secret masked."""
