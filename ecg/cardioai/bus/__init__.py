"""CardioAI over AWS: two EventBridge buses, S3 for large messages, a queue per origin code. Needs the extra `aws`."""
