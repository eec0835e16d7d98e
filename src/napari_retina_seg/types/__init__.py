"""Values that every other package uses: frozen, each declared once."""
