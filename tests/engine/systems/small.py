"""Sizes of small networks, and facts as training would have measured them."""

SMALL: dict[str, dict[str, int]] = {
    "signorelli": {"width": 8, "length": 32},
    "savkin": {"width": 8, "length": 128},
    "ziko-munim": {
        "width": 16,
        "layers": 1,
        "heads": 2,
        "numbers": 2,
        "coder": 8,
        "coder_steps": 2,
        "beats": 4,
    },
    "kumawat": {"width": 32, "numbers": 2, "coder": 8, "coder_steps": 2, "beats": 4},
}
FACTS = {"notes_per_beat": 4.0, "notes_per_sequence": 20.0}
