"""Statistics over sequences: ranks, probabilities, equivalence, attributes, failures."""
