"""Trackers that other people wrote, run as they are: doors for repositories, packages, classes and exported graphs."""
