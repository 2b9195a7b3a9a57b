"""The four panes. Each is a `Pane` built with the bridge; they know each other only through messages."""
