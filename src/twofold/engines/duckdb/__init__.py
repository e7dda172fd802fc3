"""Read models for analytics: a folder with a DuckDB file, `views.duckdb`, which one process has open.

DuckDB keeps tables by columns and reads them with all cores: sums and groups over millions of rows are its strength,
single rows are not. Everything it does is done in threads, since it gives up CPython's lock while it works.
"""

from twofold.engines.duckdb.views import DuckDbViews

__all__ = ["DuckDbViews"]
