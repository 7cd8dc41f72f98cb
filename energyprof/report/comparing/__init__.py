"""The sections of a comparison's page, one module each, made for every group of comparable runs."""
