"""What an image is called: references, patterns over them, and the values a registry returns."""
