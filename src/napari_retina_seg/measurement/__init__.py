"""Thickness, ETDRS subfields, vessels and lesions in physical units where these are known."""
