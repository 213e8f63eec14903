"""Recipes: how networks for tables are built, trained and put together."""
