"""What two or more of the programs need: settings, the database, stores and mail values."""
