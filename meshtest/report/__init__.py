"""Evidence to what people and programs read."""
