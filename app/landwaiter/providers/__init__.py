"""Which credentials the install itself has for an image: of its providers, helpers and files."""
