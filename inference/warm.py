"""Imported by a process that will read files: brings what the readers need, ahead of the first."""

from importlib import import_module

from inference import registry

for _reader in registry.readers():
    for _name in _reader.ahead:
        import_module(_name)
