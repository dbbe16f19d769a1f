"""Checks of the machine: what is installed, what works, what is found, and the command that mends each fault."""
