"""Written by the build beside the extension."""

TORCH: str
