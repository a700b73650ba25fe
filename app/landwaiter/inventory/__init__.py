"""What was verified before, by this process and by the others of the install."""
