"""Crops, jitter and augmentation of training, one module for each way in which the field cuts them."""
