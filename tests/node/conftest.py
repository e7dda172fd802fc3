"""What the tests of nodes share."""

from tests.patience import patient

__all__ = ["patient"]
