"""The version of Limn, also where no package metadata is installed, as in the frozen program."""

VERSION = "0.1.0"
