"""Puts the folder of the project on the path of its tests."""
