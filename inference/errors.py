"""The one exception whose text is meant for the user."""

from __future__ import annotations


class UserError(Exception):
    """One clear sentence: what is wrong, with which file, what to do."""
