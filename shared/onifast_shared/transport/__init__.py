"""What administrators decide about mail on its way out: by which server it goes, and from which address."""
