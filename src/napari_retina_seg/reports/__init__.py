"""Reports as HTML pages, tables and plots."""
