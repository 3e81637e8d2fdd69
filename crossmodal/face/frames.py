"""Hand an Arrow table to the libraries that people go on with; each is imported when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossmodal.errors import ExtraMissing

if TYPE_CHECKING:
    import pyarrow as pa


def pandas_of(table: pa.Table) -> Any:
    """Return a pandas DataFrame.

    Raises:
        ExtraMissing: pandas is not installed.
    """
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise ExtraMissing(
            "to_pandas needs pandas, which is not installed: pip install pandas, or take "
            "to_arrow or to_daft"
        ) from error
    return table.to_pandas()


def daft_of(table: pa.Table) -> Any:
    """Return a Daft DataFrame over the same memory."""
    import daft

    return daft.from_arrow(table)
