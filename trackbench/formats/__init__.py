"""Other tools' result files: reading them into the store, writing them from it."""
