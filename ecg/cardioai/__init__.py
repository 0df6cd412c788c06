"""The CardioAI chain: WFDB archives to JSON messages and back to recordings."""
