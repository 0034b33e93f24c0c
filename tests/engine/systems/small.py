"""Sizes of small networks, and facts as training would have measured them."""

SMALL: dict[str, dict[str, int]] = {
    "signorelli": {"width": 8, "length": 32},
    "savkin": {"width": 8, "length": 128},
}
FACTS = {"notes_per_beat": 4.0, "notes_per_sequence": 20.0}
