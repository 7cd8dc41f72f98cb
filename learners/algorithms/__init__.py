"""One algorithm a file, readable against its paper."""
