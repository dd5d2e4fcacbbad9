"""Reverse-mode differentiation over recorded traces."""
