"""What is documented is what is there (S40)."""
