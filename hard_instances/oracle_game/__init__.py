"""The oracle game: what it costs to find a hidden prefix when nobody can guess."""
