"""Ammeter from Python: measured runs and the fit of the analytic model's constants.

Everything that predicts lives in the C library; these modules hold none of its formulas.
"""

from ammeter._library import AmmeterError, LibraryNotFound
from ammeter.runs import Runs

__all__ = ["AmmeterError", "LibraryNotFound", "Runs"]
