"""sendmail(8) for programs of this host: takes a message from anybody here, and hands it to smtpd as who runs it."""
