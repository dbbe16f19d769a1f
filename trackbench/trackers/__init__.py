"""Trackers behind one interface: a model without memory, and a state for each target."""
