"""How strong an edit may be. Imports nothing heavy."""

from lit_faces.errors import UserError

STRONGEST = 4.0


def check_strength(option: str, strength: float) -> None:
    """Errors: UserError for a strength that is not a number from 0 to 4, naming the `option` that it was given by."""
    # Written so that it refuses NaN.
    if not 0 <= strength <= STRONGEST:
        raise UserError(f"{option} must be from 0 to {STRONGEST:g}, got {strength:g}")
