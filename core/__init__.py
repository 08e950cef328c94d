"""Telltale's core: everything that is not a screen. Never imports streamlit."""
