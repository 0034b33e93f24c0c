"""Networks that guess the clean roll; one file a family."""
