"""The command line: the headless twin of every action in the app. Starts without torch, textual or numba."""
