"""Crops around targets, one module for each way in which the field cuts them."""
