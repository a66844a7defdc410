"""Excel workbooks: looked through before anything is kept of them, read, and written."""
