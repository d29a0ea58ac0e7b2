"""What follows when users move mail to or out of junk, and what they are told of junk and refused mail."""
