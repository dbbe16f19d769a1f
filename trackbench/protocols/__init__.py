"""Protocols: what is asked of a tracker about the frames of a sequence."""
