"""Runs one untrusted CadQuery program in a locked-down process and says what it built."""
