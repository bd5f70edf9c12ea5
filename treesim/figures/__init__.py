"""Figures: functions that draw on the axes you give and return them, and whole figures of several panels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
