"""Every form of a verdict; each a pure function of the verdict's data."""
