"""Training of Rill's models: operators, data, recipes and export to GGUF."""
