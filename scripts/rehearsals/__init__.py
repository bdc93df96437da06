"""The deployment rehearsed: an emulator of AWS, what it cannot do, and what is read back from it."""
