"""Generators: whatever writes or changes a program. Import the one you need; none loads another's libraries."""
