"""What is done at AWS, one action a file."""
