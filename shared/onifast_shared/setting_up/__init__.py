"""Setting a host up: what can be found out of it, and the accounts, directories and settings that the programs need."""
