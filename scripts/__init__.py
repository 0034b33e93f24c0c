"""Tools for those who change midi-diffuse."""
