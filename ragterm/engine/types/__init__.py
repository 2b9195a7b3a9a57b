"""The value types that flow through every room: frozen dataclasses, protocols and errors. Standard library only."""
