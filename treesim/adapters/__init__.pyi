from .draws import pick, seeded
from .libraries import LIBRARIES, Library, library, register_library

__all__ = ["LIBRARIES", "Library", "library", "pick", "register_library", "seeded"]
