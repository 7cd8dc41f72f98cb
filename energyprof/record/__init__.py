"""What a run is: the data model, its JSON and Arrow forms, and the folder it lives in.

Owns :mod:`model` (dataclasses, no behaviour), :mod:`schema` (JSON both ways), :mod:`trace` (arrays),
:mod:`store` (the run folder: append, recover) and :mod:`environment`. Reads no sensor and judges nothing.
"""
