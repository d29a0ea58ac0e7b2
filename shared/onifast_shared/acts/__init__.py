"""What users do to messages in lists: at once or in steps, undone if they want that, final after a while."""
