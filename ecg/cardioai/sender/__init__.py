"""The sending side of CardioAI: extract, payloads, relay."""
