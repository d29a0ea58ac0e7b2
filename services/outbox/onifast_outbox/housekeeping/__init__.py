"""What crashes, other programs and users who are gone leave behind, put right."""
