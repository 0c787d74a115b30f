"""Passwords of servers: in the system's keyring, or nowhere but in memory."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)
SERVICE = "limn"


class Passwords:
    """What was typed in this session, and what the keyring of the system keeps, if it has one."""

    def __init__(self) -> None:
        self._typed: dict[str, str] = {}

    @property
    def kept(self) -> bool:
        """Whether this system has a keyring that keeps passwords safely."""
        import keyring
        from keyring.backends import chainer, fail, null

        backend = keyring.get_keyring()
        if isinstance(backend, chainer.ChainerBackend):
            return bool(backend.backends)
        safe = not isinstance(backend, fail.Keyring | null.Keyring)
        return safe and not type(backend).__module__.startswith("keyrings.alt")  # files in clear

    def get(self, account: str) -> str | None:
        """The password of an account, None if it has to be asked."""
        if account in self._typed or not self.kept:
            return self._typed.get(account)
        import keyring
        from keyring.errors import KeyringError

        try:
            return keyring.get_password(SERVICE, account)
        except KeyringError:
            logger.warning("the keyring did not give a password")
            return None

    def set(self, account: str, password: str) -> bool:
        """Remember a password; whether the keyring keeps it beyond this session."""
        self._typed[account] = password
        if not self.kept:
            return False
        import keyring
        from keyring.errors import KeyringError

        try:
            keyring.set_password(SERVICE, account, password)
        except KeyringError:
            logger.warning("the keyring did not take a password")
            return False
        return True

    def forget(self, account: str) -> None:
        """Remove a password everywhere."""
        self._typed.pop(account, None)
        if self.kept:
            import keyring
            from keyring.errors import KeyringError

            try:
                keyring.delete_password(SERVICE, account)
            except KeyringError:
                return  # there was none
