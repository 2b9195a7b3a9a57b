"""The Textual app. Reaches the engine through `bridge.py` alone."""
