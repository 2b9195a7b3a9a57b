"""The vector database: exact search, HNSW, snapshots. Usable on its own; numba is imported only where kernels are compiled."""
