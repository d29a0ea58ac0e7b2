"""How much may be sent: by whom, how much of it is used, and what people see of that."""
