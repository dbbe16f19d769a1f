"""One module for each layout on disk.

Each has ``recognise(folder)``, which looks at a few names only, and ``read(folder, definition, table)``, which lists
the sequences without opening an image or an annotation.
"""
