"""Trackers that other tools bring: each adapter speaks its tool's interface, colour order and box form."""
