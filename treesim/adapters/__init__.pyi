from .draws import pick, seeded
from .libraries import LIBRARIES, Library, library

__all__ = ["LIBRARIES", "Library", "library", "pick", "seeded"]
