"""The sections of a run's page, one module each; a new one is a module and a line in ``SECTIONS``."""
