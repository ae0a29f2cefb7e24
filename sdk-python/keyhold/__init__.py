"""Keyhold for Python: sign requests (`keyhold.signing`), verify them (`keyhold.verifier`), manage keys (`keyhold.client`)."""
