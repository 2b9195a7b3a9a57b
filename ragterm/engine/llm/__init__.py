"""Language models behind one protocol of events: Ollama, OpenAI-compatible servers, transformers in process, and the
extractive answerer that needs no model."""
