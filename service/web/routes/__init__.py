"""What is answered at which path, and what every such answer is made of."""
