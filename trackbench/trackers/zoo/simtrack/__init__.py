"""SimTrack: one transformer for the exemplar and the search image together."""
