"""Who logs in: AUTH, SASL and SCRAM against the panel's users and their app passwords."""
