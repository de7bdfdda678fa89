"""What a fit is asked to do: every number, the small languages of sizes and freezing, what follows for each epoch."""
