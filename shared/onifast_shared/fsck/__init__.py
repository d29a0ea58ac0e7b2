"""fsck: what does not agree in the database and the files beside it, kind by kind, and how each is mended."""
