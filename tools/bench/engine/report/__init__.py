"""What was measured, as docs/performance.md shows it: tables, and plots of the same numbers."""
