"""The web server: TLS, health, draining, certificate reload."""
