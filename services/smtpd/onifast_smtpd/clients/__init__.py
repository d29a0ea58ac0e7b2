"""Who is connected: where from, on whose behalf, and how much of the program each may take."""
