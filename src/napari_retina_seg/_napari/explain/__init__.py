"""The Explain dock, and the maps that it shows."""
