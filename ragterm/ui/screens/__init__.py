"""Screens that lie over the panes: confirmations, the source viewer, help, errors."""
