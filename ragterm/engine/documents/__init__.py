"""Sources and parsers: from a path on disk to canonical text with blocks. Parser libraries are imported when a file needs them."""
