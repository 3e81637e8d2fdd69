"""Take archives for folders: tars, plain or packed, and Parquet files with media in their rows."""
