"""Kills, signals, full disks, several writers, damaged and hostile files, and long use, each tried many times."""
