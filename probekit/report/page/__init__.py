"""Reports for readers without probekit: one HTML file that needs no network, and what a notebook shows.

Enters: reports. Leaves: bytes that are the same for the same reports; no clock is read. Everything that a report says
passes through autoescaping: names of models and labels are strangers' text.
"""
