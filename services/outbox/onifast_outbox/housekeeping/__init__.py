"""Puts right what crashes, other programs and departed users leave behind."""
