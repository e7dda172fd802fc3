"""What the tests of Valkey share."""

from tests.patience import patient

__all__ = ["patient"]
