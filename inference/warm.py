"""Imported by a process that will read files: brings what the readers need, ahead of the first.

What a process that was killed left in its temporary folders is removed.
"""

from importlib import import_module

from inference import registry, scratch

for _reader in registry.readers():
    for _name in _reader.ahead:
        import_module(_name)
scratch.sweep()
