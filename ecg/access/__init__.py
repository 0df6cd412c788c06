"""Who may call, and a record of who did: API keys and the audit log. Knows neither HTTP nor Ray."""
