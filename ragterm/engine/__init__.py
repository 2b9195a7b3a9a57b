"""The local engine: everything ragterm does, without a user interface. Never imports `ragterm.ui` or `ragterm.cli`."""
