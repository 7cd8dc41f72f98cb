"""Pages: one run, a comparison, the folder's index. Data in, text out; knows nothing of the command line."""
