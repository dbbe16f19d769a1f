"""The version of trackbench."""

VERSION = "0.1.0"
