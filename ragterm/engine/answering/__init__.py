"""From retrieved passages to an answer whose every claim points at a span: prompt, citations, verification."""
