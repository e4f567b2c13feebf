"""Files of recorded traffic: one module per family of formats, each read a chunk at a time."""
