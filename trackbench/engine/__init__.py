"""The engine: drives trackers through protocols, many sequences at once, and stores what they answer."""
