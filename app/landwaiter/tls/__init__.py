"""Makes a CA and a serving certificate, and renews them while both are in use."""
