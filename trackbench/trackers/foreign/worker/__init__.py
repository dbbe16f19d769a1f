"""What runs beside a foreign tracker, in its own Python.

Nothing here imports trackbench: the files need Python 3.7 and numpy, which every tracker brings, and they are loaded
from where they lie, by whatever interpreter the tracker needs.
"""
