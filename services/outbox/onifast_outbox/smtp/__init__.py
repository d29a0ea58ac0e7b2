"""The client side of SMTP: connections, sessions and mail transactions."""
