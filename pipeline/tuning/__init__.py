"""Tuning: values of the configuration are tried, chosen on some draws and reported on others."""
